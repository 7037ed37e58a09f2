"""The agent's configuration: every key, its type, its range and its default.

It must not know YAML or what the agent does with it: mqcam.config reads the annotations.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

from mqcam.config import Range, Size, load, top_keys
from mqcam.errors import ConfigError, Problem
from mqcam.interfaces import VIRTUAL_INTERFACES
from mqcam.servers import ServerUrl

from mqcam_device.camerasettings import PicameraSource, RtspSource, UsbSource
from mqcam_device.media import Rotation

DEFAULT_CONFIG = Path("/etc/mqcam/device.yaml")
"""Where the configuration of a machine's only camera lies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternSource:
    """A moving test picture with the device's name, a clock and a frame counter."""

    kind: Literal["pattern"] = "pattern"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSource:
    """A video file, played in real time, again and again."""

    kind: Literal["film"] = "film"
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """The main picture."""

    size: Size | None = None
    """None: the film's or network camera's own, 1280x720 for all others."""
    fps: Annotated[int, Range(1, 60, "frames per second")] = 30
    fps_min: Annotated[int, Range(1, 60, "frames per second")] | None = None
    """How far a camera may go down to see in the dark; None: 5, or ``fps`` if that is less."""
    rotation: Rotation = 0
    """Clockwise, what brings the picture of a camera that hangs askew upright."""
    hflip: bool = False
    vflip: bool = False
    bitrate_bps: Annotated[int, Range(50_000, 50_000_000, "bit/s")] = 1_500_000
    max_bitrate_bps: Annotated[int, Range(50_000, 50_000_000, "bit/s")] = 4_000_000

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that join two keys."""
        if self.bitrate_bps > self.max_bitrate_bps:
            yield "bitrate_bps", f"is above max_bitrate_bps ({self.max_bitrate_bps})"
        if self.fps_min is not None and self.fps_min > self.fps:
            yield "fps_min", f"is above fps ({self.fps})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingSettings:
    """What viewers together may cost the network that the camera is in."""

    uplink_max_bps: Annotated[int, Range(100_000, 1_000_000_000, "bit/s")] | None = None
    """All that goes out as video, headers included; None: as much as the paths carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IceServerSettings:
    """One STUN or TURN server, under all of its addresses."""

    urls: Annotated[tuple[ServerUrl, ...], Range(1, 8, "addresses")]
    username: str = ""
    credential_file: Path | None = None
    shared_secret_file: Path | None = None
    """Instead of an account: what coturn's ``static-auth-secret`` says."""
    validity_s: Annotated[int, Range(60, 86_400, "seconds")] = 3600
    """How long an account that is made from the secret opens new relays."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that join several keys."""
        if self.shared_secret_file is not None:
            if self.username or self.credential_file is not None:
                text = "makes accounts: leave username and credential_file out, or this"
                yield "shared_secret_file", text
            return
        if not any(url.is_relay for url in self.urls):
            return
        if not self.username:
            yield "username", "is missing: a TURN server wants one, or a shared_secret_file"
        if self.credential_file is None:
            yield "credential_file", "is missing: it names the file with the password"


@dataclass(frozen=True, slots=True, kw_only=True)
class IceSettings:
    """Which addresses of this machine viewers may learn and use, and who may tell others."""

    servers: Annotated[tuple[IceServerSettings, ...], Range(0, 8, "servers")] = ()
    policy: Literal["all", "relay"] = "all"

    loopback: bool = False
    exclude_interfaces: tuple[str, ...] = VIRTUAL_INTERFACES


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


Source = PatternSource | FilmSource | PicameraSource | UsbSource | RtspSource


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSettings:
    """One agent, one camera."""

    credentials: Path
    source: Source = field(default_factory=PatternSource)
    video: VideoSettings = field(default_factory=VideoSettings)
    sending: SendingSettings = field(default_factory=SendingSettings)
    max_viewers: Annotated[int, Range(1, 64, "viewers")] = 8
    ice: IceSettings = field(default_factory=IceSettings)
    log: LogSettings = field(default_factory=LogSettings)
    runtime_dir: Path | None = None
    """Where the control socket is; None: where this user may write (``folders``)."""
    state_dir: Path | None = None
    """What the agent keeps over a restart; None: where this user may write (``folders``)."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that join source and picture."""
        if isinstance(self.source, PicameraSource | UsbSource):
            return
        if self.video.hflip or self.video.vflip:
            text = "has flips, which only the kinds picamera and usb can make; rotation is for all"
            yield "video", text
        if isinstance(self.source, RtspSource) and self.video.size is not None:
            text = "has a size, but a network camera's pictures are passed on as they are: leave it"
            yield "video", f"{text} out, and set it in the camera"


def load_settings(path: Path | str) -> DeviceSettings:
    """Read the agent's configuration, relative paths resolved; raise ConfigError.

    Relative paths count from the configuration's folder, whatever folder the agent runs in; ``~``
    is a home. The
    credentials file is taken from systemd's ``$CREDENTIALS_DIRECTORY`` when one of that name lies
    there, so that one configuration serves by hand and as a service.
    """
    if {"kind", "broker"} <= top_keys(path):
        text = "this is a credentials file; write a configuration with"
        message = f"{text} 'credentials: {Path(path).name}'"
        raise ConfigError([Problem(file=str(path), message=message)])
    settings = _loaded(path)
    folder = Path(path).absolute().parent
    source = settings.source
    if isinstance(source, FilmSource):
        source = replace(source, path=_resolved(source.path, folder))
    elif isinstance(source, RtspSource):
        source = replace(source, password_file=_handed_over(source.password_file, folder))
    servers = tuple(
        replace(
            each,
            credential_file=_handed_over(each.credential_file, folder),
            shared_secret_file=_handed_over(each.shared_secret_file, folder),
        )
        for each in settings.ice.servers
    )
    return replace(
        settings,
        ice=replace(settings.ice, servers=servers),
        credentials=_credentials_path(settings.credentials, folder),
        source=source,
        runtime_dir=_resolved(settings.runtime_dir, folder) if settings.runtime_dir else None,
        state_dir=_resolved(settings.state_dir, folder) if settings.state_dir else None,
    )


def _loaded(path: Path | str) -> DeviceSettings:
    try:
        return load(path, DeviceSettings)
    except ConfigError as error:
        if Path(path) != DEFAULT_CONFIG or not isinstance(error.__cause__, FileNotFoundError):
            raise
        message = "does not exist: name this camera's configuration with --config FILE"
        raise ConfigError([Problem(file=str(path), message=message)]) from error


def _handed_over(path: Path | None, folder: Path) -> Path | None:
    return None if path is None else _credentials_path(path, folder)


def _credentials_path(path: Path, folder: Path) -> Path:
    handed_over = os.environ.get("CREDENTIALS_DIRECTORY")
    if handed_over and (Path(handed_over) / path.name).is_file():
        return Path(handed_over) / path.name
    return _resolved(path, folder)


def _resolved(path: Path, folder: Path) -> Path:
    try:
        return folder / path.expanduser()
    except RuntimeError:  # nobody has that home: the message about the missing file shows it
        return folder / path
