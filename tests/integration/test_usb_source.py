"""USB cameras as sources, on a machine whose driver is a pipe and whose pictures are real."""

from __future__ import annotations

import errno
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import av
import pytest
from fakes.usb_cameras import FakeHost
from mqcam.errors import SourceError
from mqcam_device.media import LOW, AccessUnit, SourceSettings, SourceState
from mqcam_device.sources.selection import make_source, make_usb
from mqcam_device.sources.usb.pictures import UsbPictures
from mqcam_device.sources.v4l2 import CID_FORCE_KEY_FRAME
from support.polling import until
from support.watched import DEADLINE_S, Watched, watched

if TYPE_CHECKING:
    from pathlib import Path


NS = 1_000_000_000
SIZE = (320, 240)


def settings(**changes: object) -> SourceSettings:
    return SourceSettings(kind="usb", width=SIZE[0], height=SIZE[1], fps_min=5.0, **changes)  # type: ignore[arg-type]


def decoded(units: list[AccessUnit]) -> list[av.VideoFrame]:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, av.VideoCodecContext)
    frames = [frame for unit in units for frame in context.decode(av.Packet(unit.data))]
    return frames + context.decode(None)


@pytest.mark.parametrize("fmt", ["mjpeg", "yuyv422", "h264"])
def test_pictures_of_each_format_arrive_with_the_drivers_time(fmt: str, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, fmt, size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        subject.source.resume()
        units = [subject.unit() for _ in range(10)]
        late_ns = time.monotonic_ns() - units[-1].captured_ns

    assert units[0].keyframe
    assert host.behaviour.options["input_format"] == fmt
    assert host.behaviour.options["video_size"] == "320x240"
    assert host.behaviour.options["framerate"] == "30"
    assert late_ns > 4_000_000  # the driver's stamp is 5 ms older than the picture's arrival
    assert all(a.captured_ns < b.captured_ns for a, b in pairwise(units))
    frames = decoded(units)
    assert len(frames) == 10
    assert (frames[0].width, frames[0].height) == SIZE
    assert subject.info.encoder == ("camera (USB)" if fmt == "h264" else "libx264")


def test_colours_are_right(tmp_path: Path) -> None:
    """Full range in, video range out: a dark quarter of 16 and a ground of 60 and more."""
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        subject.source.resume()
        (frame, *_) = decoded([subject.unit() for _ in range(3)])

    plane = frame.planes[0]
    data = bytes(plane)
    assert abs(data[10] - 16) <= 4
    shade = data[(SIZE[1] - 10) * plane.line_size + SIZE[0] - 10]
    assert min(abs(shade - (60 + number * 8)) for number in range(10)) <= 4


def test_mirrored_camera_is_mirrored(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "yuyv422", size=SIZE)
    with watched(make_usb(settings(hflip=True), host)) as subject:
        subject.source.resume()
        (frame, *_) = decoded([subject.unit()])

    assert abs(bytes(frame.planes[0])[SIZE[0] - 10] - 16) <= 4


def test_low_layer_and_snapshot_work_as_with_any_raw_source(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        assert subject.source.snapshot(DEADLINE_S).startswith(b"\xff\xd8")
        subject.source.resume(LOW)
        assert subject.unit().layer == LOW
        assert subject.source.set_bitrate(500_000) == 500_000
        assert subject.source.request_keyframe()


def test_rate_above_the_wanted_one_is_thinned_out_before_decoding(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    raw = UsbPictures(settings(fps=10.0), host)
    info = raw.open()
    try:
        assert (info.fps_max, info.fps_min) == (10.0, 5.0)
        times = []
        until_ns = time.monotonic_ns() + NS
        while (now_ns := time.monotonic_ns()) < until_ns:
            if raw.due_ns(now_ns) <= now_ns:
                raw.read(now_ns)
                times.append(raw.captured_ns)
            time.sleep(0.002)
    finally:
        raw.close()

    assert 8 <= len(times) <= 12


def test_slow_reader_gets_the_newest_picture(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    raw = UsbPictures(settings(), host)
    raw.open()
    try:
        time.sleep(0.5)  # as an encoder that takes so long
        now_ns = time.monotonic_ns()
        raw.read(now_ns)
    finally:
        raw.close()

    assert now_ns - raw.captured_ns < NS / 10


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "another program uses"),
        (errno.EACCES, "must be in the group 'video'"),
        (errno.ENODEV, "was unplugged"),
    ],
)
@pytest.mark.parametrize("fmt", ["mjpeg", "h264"])
def test_camera_that_does_not_open_says_why(
    fmt: str, number: int, words: str, tmp_path: Path
) -> None:
    host = FakeHost(tmp_path, fmt, size=SIZE)
    host.behaviour.open_error = number
    with pytest.raises(SourceError, match=words) as caught:
        Watched(make_usb(settings(), host))

    assert str(caught.value).startswith("usb-Fake-index0: ")


def test_no_camera_is_told(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    with pytest.raises(SourceError, match="the camera usb-Other is not there"):
        make_usb(settings(camera="usb-Other"), host)


@pytest.mark.parametrize("is_watched", [True, False])
def test_unplugged_camera_is_told_whether_anybody_looks_or_not(
    is_watched: bool, tmp_path: Path
) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        if is_watched:
            subject.source.resume()
            subject.unit()
        host.behaviour.read_error = errno.ENODEV
        state, _, text = subject.state()

    assert state is SourceState.FAILED
    assert "was unplugged" in text


def test_unplugged_h264_camera_comes_back_by_itself(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "h264", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        subject.source.resume()
        last = subject.unit()
        host.behaviour.read_error = errno.ENODEV
        state, _, text = subject.state()
        host.behaviour.read_error = 0
        assert state is SourceState.STALLED
        assert "was unplugged" in text
        assert subject.state()[0] is SourceState.RUNNING
        until(lambda: subject.units.qsize() > 3, timeout_s=DEADLINE_S)
        while subject.units.qsize():
            unit = subject.unit()
            assert unit.seq == last.seq + 1
            last = unit


def test_keyframe_is_asked_for_where_the_camera_has_the_control(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "h264", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        assert not subject.info.can_force_keyframe
        assert not subject.source.request_keyframe()
    host.node.controls[CID_FORCE_KEY_FRAME] = 0
    with watched(make_usb(settings(), host)) as subject:
        until(lambda: host.behaviour.closed == 1, timeout_s=DEADLINE_S)
        assert subject.info.can_force_keyframe
        assert subject.source.request_keyframe()

    assert host.node.controls[CID_FORCE_KEY_FRAME] >= 1


@pytest.mark.parametrize("fmt", ["mjpeg", "h264"])
def test_stop_does_not_wait_for_a_camera_that_is_silent(fmt: str, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, fmt, size=SIZE)
    subject = Watched(make_usb(settings(), host))
    subject.source.resume()
    subject.unit()
    host.behaviour.is_stalled = True
    before = time.monotonic()

    assert subject.source.stop(2.0)
    assert time.monotonic() - before < 0.5
    assert host.behaviour.closed == 1


def test_pictures_that_stay_damaged_are_a_fault(tmp_path: Path) -> None:
    host = FakeHost(tmp_path, "mjpeg", size=SIZE)
    with watched(make_usb(settings(), host)) as subject:
        subject.source.resume()
        subject.unit()
        host.behaviour.is_damaged = True
        state, _, text = subject.state()

    assert state is SourceState.FAILED
    assert "damaged" in text


@pytest.mark.parametrize("fmt", ["mjpeg", "h264"])
def test_camera_rests_when_nobody_has_looked_for_long(fmt: str, tmp_path: Path) -> None:
    host = FakeHost(tmp_path, fmt, size=SIZE)
    with watched(make_usb(settings(idle_stop_s=0.2), host)) as subject:
        until(lambda: host.behaviour.closed == 1, timeout_s=DEADLINE_S)
        subject.source.resume()
        assert subject.unit().keyframe


def test_flips_and_sizes_that_cannot_be_are_refused() -> None:
    with pytest.raises(SourceError, match=r"leave .video\.size. out"):
        make_source(SourceSettings(kind="rtsp", url="rtsp://c/", width=640, height=360))
    with pytest.raises(SourceError, match=r"no USB camera|is not there"):
        make_source(SourceSettings(kind="usb", camera="usb-none"))
