"""Make the source that the settings name.

It must not know processes or sockets. Each kind is imported when it is made: a network camera, for
one, needs none of PyAV's 20 MB.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from mqcam_device.media import SourceSettings, VideoSource
    from mqcam_device.sources.raw import RawSource
    from mqcam_device.sources.usb.device import Host

_DEFAULT_SIZE = (1280, 720)
_SIZE_RANGE = (32, 4096)


def make_source(settings: SourceSettings) -> VideoSource:
    """Return the source, not started; raises SourceError for settings that no source can have."""
    if settings.kind == "picamera":
        return _make_picamera(settings)
    if settings.kind == "rtsp":
        return _make_rtsp(settings)
    if settings.kind == "usb":
        return make_usb(settings)
    if settings.kind not in {"pattern", "film"}:
        raise SourceError(settings.kind, "this kind of source is not in this build")
    from mqcam_device.sources.encoded import EncodedSource

    return EncodedSource(_make_raw(settings), settings)


def _make_picamera(settings: SourceSettings) -> VideoSource:
    from mqcam_device.sources.picamera.source import PicameraSource

    _check_size(settings)
    return PicameraSource(settings)


def _make_rtsp(settings: SourceSettings) -> VideoSource:
    from mqcam_device.sources.passthrough import PassthroughSource
    from mqcam_device.sources.rtsp.feed import RtspFeed

    url = settings.url or ""
    if not url.startswith(("rtsp://", "rtsps://")) or not url.isprintable() or " " in url:
        raise SourceError("rtsp", "expected an address such as rtsp://192.0.2.7/stream1")
    if settings.width is not None:
        text = "a network camera's pictures are passed on as they are: leave 'video.size' out"
        raise SourceError("rtsp", f"{text}, and set the size in the camera")
    feed = RtspFeed(url, username=settings.username, password=settings.password)
    return PassthroughSource(feed, settings, name=feed.name, encoder="camera (RTSP)")


def make_usb(settings: SourceSettings, host: Host | None = None) -> VideoSource:
    """Return the source for a USB camera, by the format that it has; raises SourceError.

    The ``host`` is this machine, unless a test has another.
    """
    from mqcam_device.sources.encoded import EncodedSource
    from mqcam_device.sources.passthrough import PassthroughSource
    from mqcam_device.sources.usb.device import Machine, choose_mode
    from mqcam_device.sources.usb.feed import UsbFeed
    from mqcam_device.sources.usb.pictures import UsbPictures

    _check_size(settings)
    host = host or Machine()
    camera = host.find(settings.camera)
    if camera.trouble:
        raise SourceError(camera.id, camera.trouble)
    # The one that was found, whatever is plugged in meanwhile.
    settings = replace(settings, camera=camera.id)
    mode = choose_mode(camera.modes, settings, name=camera.id)
    if mode.format == "h264":
        feed = UsbFeed(settings, host)
        return PassthroughSource(feed, settings, name=camera.id, encoder="camera (USB)")
    return EncodedSource(UsbPictures(settings, host), settings)


def _make_raw(settings: SourceSettings) -> RawSource:
    from mqcam_device.sources.film import Film
    from mqcam_device.sources.pattern import Pattern

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
