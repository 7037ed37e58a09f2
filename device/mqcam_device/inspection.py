"""Everything that can be known to be wrong before the agent starts, all at once.

It must not start anything, nor leave anything behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.credentials import credentials_of
from mqcam.errors import ConfigError, CredentialsError, MqcamError, Problem, SourceError, UsageError

from mqcam_device import folders
from mqcam_device.board import check_board
from mqcam_device.briefing import password_of
from mqcam_device.camerasettings import PicameraSource, UsbSource
from mqcam_device.enumeration import enumerate_cameras
from mqcam_device.servers import read_servers
from mqcam_device.settings import FilmSource
from mqcam_device.trust import Trust

if TYPE_CHECKING:
    from mqcam.credentials import Credentials

    from mqcam_device.settings import DeviceSettings


def inspect(settings: DeviceSettings, *, file: str) -> tuple[Credentials | None, list[MqcamError]]:
    """Return the credentials, if they are good, and every mistake below the configuration."""
    mistakes: list[MqcamError] = []
    credentials = None
    try:
        credentials = credentials_of("device", settings.credentials)
    except CredentialsError as error:
        mistakes.append(error)
    state = folders.state_folder(settings.state_dir)
    try:
        if credentials is not None:
            check_board(state, credentials.name, is_start=False)
            # What the start reads there, and refuses: identity, viewers, the owner's word.
            Trust(credentials, folder=state, on_owner_state=lambda _state: None).owner.close()
    except (CredentialsError, UsageError) as error:
        mistakes.append(error)
    try:
        password_of(settings.source)
    except CredentialsError as error:
        mistakes.append(error)
    try:
        read_servers(settings)
    except CredentialsError as error:
        mistakes.append(error)
    problems = folders.problems(
        runtime=folders.runtime_folder(settings.runtime_dir),
        state=state,
        file=file,
    )
    problems += _source_problems(settings, file)
    if problems:
        mistakes.append(ConfigError(problems))
    return credentials, mistakes


def _source_problems(settings: DeviceSettings, file: str) -> list[Problem]:
    source = settings.source
    if isinstance(source, FilmSource):
        return _film_problems(source, file)
    if isinstance(source, PicameraSource | UsbSource):
        return _camera_problems(source, file)
    return []


def _film_problems(source: FilmSource, file: str) -> list[Problem]:
    # PyAV takes a moment to load, and other sources do without.
    from mqcam_device.sources.film import open_film  # noqa: PLC0415

    try:
        open_film(str(source.path)).close()
    except SourceError as error:
        return [Problem(file=file, key="source.path", message=str(error))]
    return []


def _camera_problems(source: PicameraSource | UsbSource, file: str) -> list[Problem]:
    """Look for the camera without opening it: an agent that runs may have it."""
    found = enumerate_cameras((source.kind,), is_opening=False)
    if not found.cameras:
        text = " ".join(found.notes) or "no USB camera is plugged in"
        return [Problem(file=file, key="source.kind", message=text)]
    ids = [camera.id for camera in found.cameras]
    several = f"there are {', '.join(ids)}" if len(ids) > 1 else f"there is {ids[0]}"
    if source.camera is None and source.kind == "usb" and len(ids) > 1:
        return [Problem(file=file, key="source.camera", message=f"is missing: {several}")]
    meant = [each for each in found.cameras if each.is_meant(source.camera or ids[0])]
    if not meant:
        text = f"{source.camera} is not plugged in; {several}"
        return [Problem(file=file, key="source.camera", message=text)]
    if not meant[0].usable:
        return [Problem(file=file, key="source.camera", message=meant[0].text)]
    return []
