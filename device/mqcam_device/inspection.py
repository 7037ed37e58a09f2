"""Everything that can be known to be wrong before the agent starts, all at once.

It must not start anything, nor leave anything behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.credentials import credentials_of
from mqcam.errors import ConfigError, CredentialsError, MqcamError, Problem, SourceError, UsageError

from mqcam_device import folders
from mqcam_device.board import check_board
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
    if not isinstance(source, FilmSource):
        return []
    # PyAV takes a moment to load, and other sources do without.
    from mqcam_device.sources.film import open_film  # noqa: PLC0415

    try:
        open_film(str(source.path)).close()
    except SourceError as error:
        return [Problem(file=file, key="source.path", message=str(error))]
    return []
