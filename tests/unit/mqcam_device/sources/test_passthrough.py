"""A camera that sends more than can leave fills no memory, and one that is silent may rest."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.media import SourceSettings, StreamInfo
from mqcam_device.sources.feed import EncodedPicture, FeedInfo
from mqcam_device.sources.passthrough import OWED_UNITS, PassthroughSource
from support.rtp import SPS, follower, idr, stream_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mqcam_device.sources.feed import Bell

AT_ONCE = 100


class Flood:
    """A camera that sends a hundred small pictures at a time, and after the first no keyframe."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_silent = False
        self.goes_on = threading.Event()
        self.has_flooded = threading.Event()

    def open(self, bell: Bell) -> FeedInfo:
        self._bell = bell
        return FeedInfo(rate_hz=90_000)

    def read(self, timeout_s: float) -> Sequence[EncodedPicture]:
        if self.is_silent:
            self._bell.wait(timeout_s)
            return ()
        first = stream_of(idr(b"x")) if self.reads == 0 else stream_of(follower(b"x"))
        if self.reads == 1:
            self.goes_on.wait(5)
        self.reads += 1
        if self.reads * AT_ONCE > 4 * OWED_UNITS:
            self.is_silent = True
            self.has_flooded.set()
        rest = [stream_of(follower(b"x"))] * (AT_ONCE - 1)
        now_ns = time.monotonic_ns()
        return [EncodedPicture(data, None, now_ns) for data in (first, *rest)]

    def request_keyframe(self) -> bool:
        return False

    def close(self) -> None:
        self.goes_on.set()


@contextlib.contextmanager
def running(camera: Flood, idle_stop_s: float | None) -> Iterator[PassthroughSource]:
    settings = SourceSettings(kind="rtsp", idle_stop_s=idle_stop_s)
    source = PassthroughSource(camera, settings, name="camera", encoder="its own")
    source.start(lambda _unit: None, lambda _state, _info, _text: None)
    try:
        yield source
    finally:
        camera.goes_on.set()
        assert source.stop(5)


def test_pictures_that_cannot_leave_are_left_out() -> None:
    camera = Flood()
    with running(camera, None) as source:
        source.resume()
        camera.goes_on.set()
        assert camera.has_flooded.wait(5)

        assert len(source._owed) <= OWED_UNITS + AT_ONCE


def test_camera_rests_after_a_snapshot_that_failed() -> None:
    camera = Flood()
    with running(camera, 0.0) as source:
        camera.is_silent = True
        source._kept.bound(max_age_s=0, max_bytes=0)
        with pytest.raises(SourceError, match="no keyframe"):
            source.snapshot(0.05)

        assert source._is_idle_for_long()


class Restless:
    """A camera that begins another sequence with each picture."""

    def __init__(self) -> None:
        self.pictures = 0
        self.is_over = threading.Event()

    def open(self, bell: Bell) -> FeedInfo:
        self._bell = bell
        return FeedInfo(rate_hz=90_000)

    def read(self, timeout_s: float) -> Sequence[EncodedPicture]:
        if self.pictures == AT_ONCE:
            self.is_over.set()
            self._bell.wait(timeout_s)
            return ()
        self.pictures += 1
        other = SPS[:3] + bytes([SPS[3] - self.pictures % 2]) + SPS[4:]
        data = stream_of([other, *idr(b"x")[1:]])
        return [EncodedPicture(data, None, time.monotonic_ns())]

    def request_keyframe(self) -> bool:
        return False

    def close(self) -> None:
        pass


def test_camera_that_changes_all_the_time_is_not_told_each_time() -> None:
    camera, told = Restless(), list[StreamInfo | None]()
    settings = SourceSettings(kind="rtsp")
    source = PassthroughSource(camera, settings, name="camera", encoder="its own")
    source.start(lambda _unit: None, lambda _state, info, _text: told.append(info))
    try:
        assert camera.is_over.wait(5)
    finally:
        assert source.stop(5)

    assert 0 < len(told) < 10
