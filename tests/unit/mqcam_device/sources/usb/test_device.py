"""A USB camera is opened in the best mode of the wanted size, with options that FFmpeg has."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import av
import pytest
from mqcam.errors import SourceError
from mqcam_device.media import SourceSettings
from mqcam_device.sources.usb.cameras import Mode
from mqcam_device.sources.usb.device import choose_mode

SEARCH_FAKE_OBJECT = 2
"""AV_OPT_SEARCH_FAKE_OBJ: the class alone is asked, there is no demuxer yet."""

PRIVATE_CLASS_AT = 40
"""``priv_class`` in AVInputFormat, on 64 bits: four pointers and an int lie before it."""


def mode(fmt: str, width: int = 1280, height: int = 720, fps: float = 30.0) -> Mode:
    return Mode(format=fmt, width=width, height=height, fps=fps)


HD = [mode("yuyv422"), mode("mjpeg"), mode("h264")]


def chosen(modes: list[Mode], **settings: object) -> Mode:
    wanted = SourceSettings(kind="usb", **settings)  # type: ignore[arg-type]
    return choose_mode(modes, wanted, name="camera")


def test_what_the_camera_encodes_is_taken_first_then_what_is_smaller_on_the_cable() -> None:
    assert chosen(HD).format == "h264"
    assert chosen(HD[:2]).format == "mjpeg"
    assert chosen(HD[:1]).format == "yuyv422"
    assert chosen(HD, input_format="yuyv422").format == "yuyv422"


def test_size_is_the_wanted_one_or_the_largest_up_to_hd() -> None:
    modes = [mode("mjpeg", 1920, 1080), mode("mjpeg", 800, 600), mode("yuyv422", 640, 480)]

    assert chosen(modes).width == 800
    assert chosen(modes, width=1920, height=1080).width == 1920
    assert chosen(modes, width=640, height=480).format == "yuyv422"


def test_size_that_the_camera_lacks_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(SourceError, match="it has 1280x720"):
        chosen(HD, width=1024, height=768)
    with pytest.raises(SourceError, match="wanted in h264; it has nothing"):
        chosen(HD[:2], input_format="h264")


def test_mirrored_pictures_are_encoded_here() -> None:
    assert chosen(HD, hflip=True).format == "mjpeg"
    with pytest.raises(SourceError, match="cannot be mirrored here: set 'format' to mjpeg"):
        chosen(HD, vflip=True, input_format="h264")


def library(name: str) -> ctypes.CDLL:
    """Return one of FFmpeg's libraries as PyAV has loaded it."""
    maps = Path("/proc/self/maps").read_text("utf-8")
    found = re.search(rf"(/\S*/{name}[-.]\S*)$", maps, re.MULTILINE)
    assert found is not None
    return ctypes.CDLL(found.group(1))


def test_options_are_those_of_ffmpegs_demuxer() -> None:
    assert "v4l2" in av.formats_available or "video4linux2,v4l2" in av.formats_available
    formats, values = library("libavformat"), library("libavutil")
    for function in (formats.av_find_input_format, formats.avformat_get_class):
        function.restype = ctypes.c_void_p
    values.av_opt_find.restype = ctypes.c_void_p
    demuxer = formats.av_find_input_format(b"v4l2")
    own = ctypes.c_void_p.from_address(demuxer + PRIVATE_CLASS_AT)
    general = ctypes.c_void_p(formats.avformat_get_class())

    def has(kind: ctypes.c_void_p, option: str) -> bool:
        name = option.encode()
        return bool(values.av_opt_find(ctypes.byref(kind), name, None, 0, SEARCH_FAKE_OBJECT))

    assert all(has(own, each) for each in ("input_format", "video_size", "framerate"))
    assert all(has(general, each) for each in ("probesize", "analyzeduration"))
    assert not has(own, "no_such_option")


@pytest.mark.parametrize("name", ["mjpeg", "rawvideo", "h264"])
def test_decoders_are_in_this_pyav(name: str) -> None:
    assert isinstance(av.CodecContext.create(name, "r"), av.VideoCodecContext)
