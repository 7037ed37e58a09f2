"""The encoded source with its thread, in this process."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import av
import pytest
from mqcam.errors import SourceError
from mqcam_device.media import LOW, AccessUnit, SourceSettings, SourceState, StreamInfo
from mqcam_device.sources.encoded import EncodedSource
from mqcam_device.sources.pattern import Pattern
from mqcam_device.sources.selection import make_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.video.frame import VideoFrame
    from mqcam_device.media import Sink, VideoSource

SMALL = SourceSettings(width=320, height=240, bitrate_bps=300_000)
DEADLINE_S = 10.0
Units = queue.Queue[AccessUnit]
States = queue.Queue[tuple[SourceState, StreamInfo | None, str]]


@contextmanager
def started(source: VideoSource, sink: Sink) -> Iterator[States]:
    states: States = queue.Queue()
    source.start(sink, lambda *state: states.put(state))
    try:
        yield states
    finally:
        assert source.stop(DEADLINE_S)


class Brittle(Pattern):
    """A pattern that counts its pictures and fails when told to."""

    def __init__(self) -> None:
        super().__init__(width=320, height=240, fps=30, label="")
        self.read_count = 0
        self.error: Exception | None = None
        self.is_closed = False

    def read(self, captured_ns: int) -> VideoFrame:
        if self.error:
            raise self.error
        self.read_count += 1
        return super().read(captured_ns)

    def close(self) -> None:
        self.is_closed = True


def test_nothing_is_drawn_while_paused() -> None:
    raw, units = Brittle(), Units()
    source = EncodedSource(raw, SMALL)
    with started(source, units.put):
        assert raw.read_count == 0
        source.resume()
        assert units.get(timeout=DEADLINE_S).keyframe
        source.pause()
        time.sleep(0.1)  # three pictures long
        count = raw.read_count
        time.sleep(0.1)
        assert raw.read_count == count <= 2
    assert raw.is_closed


def test_a_snapshot_comes_with_and_without_viewers() -> None:
    source, units = make_source(SMALL), Units()
    with started(source, units.put):
        paused = source.snapshot(DEADLINE_S)
        assert units.empty()
        source.resume()
        units.get(timeout=DEADLINE_S)
        playing = source.snapshot(DEADLINE_S)
    for jpeg in (paused, playing):
        decoder = av.CodecContext.create("mjpeg", "r")
        assert isinstance(decoder, av.VideoCodecContext)
        decoder.thread_count = 1
        (frame,) = decoder.decode(av.Packet(jpeg))
        assert (frame.width, frame.height) == (320, 240)


def test_a_snapshot_that_does_not_come_is_told() -> None:
    raw, units = Brittle(), Units()
    source = EncodedSource(raw, SMALL)
    with started(source, units.put) as states:
        raw.error = SourceError("camera", "the cable is gone")
        with pytest.raises(SourceError, match="no picture came"):
            source.snapshot(0.2)
        assert states.get(timeout=DEADLINE_S)[0] is SourceState.FAILED


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (SourceError("camera", "the cable is gone"), "camera: the cable is gone"),
        (ZeroDivisionError("a mistake"), "ZeroDivisionError"),
    ],
)
def test_a_failing_source_says_so_and_gives_back_what_it_took(
    error: Exception, sentence: str
) -> None:
    raw, units = Brittle(), Units()
    source = EncodedSource(raw, SMALL)
    with started(source, units.put) as states:
        source.resume()
        units.get(timeout=DEADLINE_S)
        raw.error = error
        state, _, text = states.get(timeout=DEADLINE_S)
        assert state is SourceState.FAILED
        assert sentence in text
    assert raw.is_closed


def test_a_source_that_cannot_be_encoded_gives_back_what_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(**_: object) -> str:
        raise SourceError("encoder", "libx264 refuses this")

    monkeypatch.setattr("mqcam_device.sources.encoded.probe_profile_level_id", refuse)
    raw = Brittle()
    with pytest.raises(SourceError, match="refuses this"):
        EncodedSource(raw, SMALL).start(Units().put, lambda *_: None)
    assert raw.is_closed


def test_stopping_is_bounded_when_the_sink_blocks() -> None:
    """Whoever owns the process learns that the thread hangs, instead of hanging too."""
    release, entered = threading.Event(), threading.Event()

    def sink(_: AccessUnit) -> None:
        entered.set()
        release.wait(DEADLINE_S)

    source = make_source(SMALL)
    source.start(sink, lambda *_: None)
    source.resume()
    assert entered.wait(DEADLINE_S)
    assert not source.stop(0.1)
    release.set()
    assert source.stop(DEADLINE_S)


def test_stopping_twice_or_unstarted_is_harmless() -> None:
    source = make_source(SMALL)
    assert source.stop(DEADLINE_S)
    with started(make_source(SMALL), Units().put):
        pass


def test_rates_are_moved_into_their_range() -> None:
    source = make_source(SMALL)
    assert source.set_bitrate(1) == 100_000
    assert source.set_bitrate(10**9) == SMALL.max_bitrate_bps
    assert source.set_bitrate(1, LOW) == 100_000
    assert source.set_bitrate(10**9, LOW) == 400_000
    assert source.set_bitrate(200_000, "tiny") == 0
    assert source.set_framerate(0) == 1
    assert source.set_framerate(1000) == 120
    assert source.stop(DEADLINE_S)


def test_a_bit_rate_set_while_paused_holds_later() -> None:
    source, units = make_source(SMALL), Units()
    source.set_bitrate(100_000)
    with started(source, units.put):
        source.snapshot(DEADLINE_S)
        source.resume()
        first = units.get(timeout=DEADLINE_S)
        sizes = [len(units.get(timeout=DEADLINE_S).data) for _ in range(30)]
    assert first.keyframe
    assert sum(sizes[15:]) * 8 * 2 < 200_000


def test_a_source_draws_for_the_low_layer_alone_and_rests_with_it() -> None:
    raw, units = Brittle(), Units()
    source = EncodedSource(raw, SMALL)
    with started(source, units.put):
        source.resume(LOW)
        first = units.get(timeout=DEADLINE_S)
        assert (first.layer, first.keyframe) == (LOW, True)
        source.pause(LOW)
        time.sleep(0.1)  # three pictures long
        count = raw.read_count
        time.sleep(0.1)
        assert raw.read_count == count


def test_a_low_layer_of_a_low_frame_rate_keeps_it() -> None:
    source, units = make_source(SMALL), Units()
    states: States
    with started(source, units.put) as states:
        source.resume(LOW)
        units.get(timeout=DEADLINE_S)
        source.set_framerate(10)
        _, info, _ = states.get(timeout=DEADLINE_S)
        assert info is not None
        assert [layer.fps_max for layer in info.layers] == [10, 10]
        while not units.get(timeout=DEADLINE_S).keyframe:
            pass
        moments = [units.get(timeout=DEADLINE_S).captured_ns for _ in range(3)]
    assert (moments[2] - moments[0]) / 1e6 == pytest.approx(200, abs=60)
