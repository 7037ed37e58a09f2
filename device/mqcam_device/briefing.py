"""From the configuration to what the capture child needs to know.

It must not know processes or sources; the only file it reads is a camera's password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mqcam.credentials import read_password

from mqcam_device.camerasettings import PicameraSource, RtspSource, UsbSource
from mqcam_device.media import SourceSettings
from mqcam_device.settings import FilmSource

if TYPE_CHECKING:
    from mqcam_device.settings import DeviceSettings, Source

NIGHT_FPS: Final = 5
"""How far a camera may go down to see in the dark, unless the configuration says it."""


def source_settings(settings: DeviceSettings, *, label: str) -> SourceSettings:
    """Return the source to open; raises CredentialsError for a password that cannot be read."""
    source, video = settings.source, settings.video
    film = source if isinstance(source, FilmSource) else None
    camera = source if isinstance(source, PicameraSource | UsbSource) else None
    network = source if isinstance(source, RtspSource) else None
    return SourceSettings(
        kind=source.kind,
        path=str(film.path) if film else None,
        camera=camera.camera if camera else None,
        url=network.url if network else None,
        username=(network.username or "") if network else "",
        password=password_of(source),
        width=video.size.width if video.size else None,
        height=video.size.height if video.size else None,
        fps=float(video.fps),
        fps_min=float(video.fps_min or min(video.fps, NIGHT_FPS)),
        bitrate_bps=video.bitrate_bps,
        max_bitrate_bps=video.max_bitrate_bps,
        label=label,
        rotation=video.rotation,
        hflip=video.hflip,
        vflip=video.vflip,
        idle_stop_s=getattr(source, "idle_stop_s", None),
        input_format=source.format if isinstance(source, UsbSource) else "auto",
        controls=source.controls.pairs() if isinstance(source, PicameraSource) else (),
    )


def password_of(source: Source) -> str:
    """Return a network camera's password, empty for none; raises CredentialsError."""
    if not isinstance(source, RtspSource) or source.password_file is None:
        return ""
    return read_password(source.password_file)
