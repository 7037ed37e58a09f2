"""Make the source that the settings name.

It must not know processes or sockets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.errors import SourceError

from mqcam_device.sources.encoded import EncodedSource
from mqcam_device.sources.film import Film
from mqcam_device.sources.pattern import Pattern
from mqcam_device.sources.picamera.source import PicameraSource

if TYPE_CHECKING:
    from mqcam_device.media import SourceSettings, VideoSource
    from mqcam_device.sources.raw import RawSource

_DEFAULT_SIZE = (1280, 720)
_SIZE_RANGE = (32, 4096)


def make_source(settings: SourceSettings) -> VideoSource:
    """Return the source, not started; raises SourceError for settings that no source can have."""
    if settings.kind == "picamera":
        _check_size(settings)
        return PicameraSource(settings)
    if settings.kind not in {"pattern", "film"}:
        raise SourceError(settings.kind, "this kind of source is not in this build")
    return EncodedSource(_make_raw(settings), settings)


def _make_raw(settings: SourceSettings) -> RawSource:
    size = _check_size(settings)
    if settings.kind == "film":
        if not settings.path:
            raise SourceError("film", "no file is named; set the film's path")
        width, height = size or (None, None)
        return Film(settings.path, width=width, height=height, fps=settings.fps)
    width, height = size or _DEFAULT_SIZE
    return Pattern(width=width, height=height, fps=settings.fps, label=settings.label)


def _check_size(settings: SourceSettings) -> tuple[int, int] | None:
    width, height = settings.width, settings.height
    if width is None or height is None:
        return None
    least, most = _SIZE_RANGE
    if width % 2 or height % 2 or not all(least <= side <= most for side in (width, height)):
        raise SourceError(
            settings.kind,
            f"the size {width}x{height} cannot be encoded; "
            f"both sides must be even and between {least} and {most}",
        )
    return width, height
