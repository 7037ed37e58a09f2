"""The RTSP source against a camera over loopback: accounts, reconnecting, and what it says."""

from __future__ import annotations

import queue
import subprocess
import sys
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest
from mqcam.errors import SourceError
from mqcam.h264 import iterate_nals, nal_type
from mqcam_device.media import AccessUnit, SourceState
from mqcam_device.sources.selection import make_source
from support.clips import encode
from support.polling import until
from support.rtsp_server import Stream, Wishes
from support.rtsp_sources import camera, settings_for, source_for
from support.watched import DEADLINE_S, Watched, watched

if TYPE_CHECKING:
    from collections.abc import Iterator


PUBLISHER = Path(__file__).parents[1] / "support" / "publisher.py"

NS = 1_000_000_000

Units = queue.Queue[AccessUnit]


@pytest.fixture(scope="module")
def clip() -> list[bytes]:
    return encode(15)


@pytest.fixture(scope="module")
def long_clip() -> list[bytes]:
    """Four seconds from keyframe to keyframe."""
    return encode(120)


def test_stream_is_known_before_anybody_looks(clip: list[bytes]) -> None:
    with camera(Stream(clip, fps=25.0)) as server, watched(source_for(server)) as subject:
        info = subject.info

    assert (info.width, info.height, info.fps_max, info.fps_min) == (320, 240, 25.0, 5.0)
    assert info.profile_level_id.startswith("42")
    assert not info.can_force_keyframe
    assert info.bitrate_range_bps is None
    assert [layer.name for layer in info.layers] == ["main"]


@pytest.mark.parametrize("in_description", [True, False])
def test_units_begin_with_a_keyframe_and_decode(in_description: bool, clip: list[bytes]) -> None:
    stream = Stream(
        clip, has_sets_in_description=in_description, has_sets_in_band=not in_description
    )
    with camera(stream) as server, watched(source_for(server)) as subject:
        subject.source.resume()
        units = [subject.unit() for _ in range(20)]

    assert units[0].keyframe
    assert [nal_type(nal) for nal in iterate_nals(units[0].data)][:2] == [7, 8]
    first = units[0].seq
    assert [unit.seq for unit in units] == list(range(first, first + 20))
    context = av.CodecContext.create("h264", "r")
    frames = [frame for unit in units for frame in context.decode(av.Packet(unit.data))]
    assert len(frames) + len(context.decode(None)) == 20


def test_stop_does_not_wait_for_a_camera_that_is_silent(clip: list[bytes]) -> None:
    wishes = Wishes()
    with camera(Stream(clip), wishes) as server:
        subject = Watched(source_for(server))
        wishes.is_stalled = True
        before = time.monotonic()
        assert subject.source.stop(2.0)
        assert time.monotonic() - before < 0.5


def test_who_looks_gets_the_last_keyframe_and_all_since_at_once(long_clip: list[bytes]) -> None:
    stream = Stream(long_clip)
    with camera(stream) as server, watched(source_for(server)) as subject:
        until(lambda: server.requests.count("PLAY") == 1, timeout_s=DEADLINE_S)
        subject.source.snapshot(DEADLINE_S)  # the keyframe is there
        time.sleep(1.0)  # so long it has been when somebody comes
        before_ns = time.monotonic_ns()
        subject.source.resume()
        first = subject.unit()
        took_ns = time.monotonic_ns() - before_ns
        time.sleep(0.1)
        assert subject.units.qsize() < 25  # the queue to the agent has room for 30
        units = [first, *(subject.unit() for _ in range(50))]

    assert first.keyframe
    assert took_ns < NS / 4  # not the three seconds to the next one
    assert before_ns - first.captured_ns > 0.9 * NS  # with its true time
    assert [unit.seq for unit in units] == list(range(first.seq, first.seq + 51))
    assert sum(unit.keyframe for unit in units) == 1
    # It is the present again: what came last was taken a moment ago.
    assert units[-1].captured_ns > before_ns


@pytest.mark.parametrize("fault", ["hang up", "garbage"])
def test_source_connects_again_by_itself(fault: str, clip: list[bytes]) -> None:
    with camera(Stream(clip)) as server, watched(source_for(server)) as subject:
        subject.source.resume()
        last = subject.keyframe()
        if fault == "hang up":
            server.hang_up()
        else:
            server.wishes.says_garbage = True
        state, info, text = subject.state()
        server.wishes.says_garbage = False
        assert state is SourceState.STALLED
        assert info == subject.info
        assert text.endswith("; trying again")
        assert subject.state() == (SourceState.RUNNING, subject.info, "")
        while subject.units.qsize():
            unit = subject.unit()
            assert unit.captured_ns > last.captured_ns
            last = unit
    assert server.requests.count("PLAY") == 2


def test_camera_that_falls_silent_is_told_of_before_the_agent_would_act(
    clip: list[bytes],
) -> None:
    with camera(Stream(clip)) as server, watched(source_for(server)) as subject:
        subject.source.resume()
        subject.keyframe()
        server.wishes.is_stalled = True
        before = time.monotonic()
        state, _, text = subject.state()
        assert time.monotonic() - before < 1.0
        assert (state, text) == (
            SourceState.STALLED,
            f"127.0.0.1:{server.port}: no picture comes at present",
        )
        _, _, text = subject.state()
        server.wishes.is_stalled = False
        assert text.endswith("no picture came for 3 s; trying again")
        while subject.state()[0] is not SourceState.RUNNING:
            pass


def test_new_size_after_a_new_connection_is_announced(clip: list[bytes]) -> None:
    with camera(Stream(clip)) as server, watched(source_for(server)) as subject:
        subject.source.resume()
        subject.keyframe()
        server.stream = Stream(encode(15, width=160, height=128))
        server.hang_up()
        subject.state()
        state, info, _ = subject.state()
        assert state is SourceState.RUNNING
        assert info is not None
        assert (info.width, info.height) == (160, 128)


def test_camera_rests_when_nobody_has_looked_for_long(clip: list[bytes]) -> None:
    with (
        camera(Stream(clip)) as server,
        watched(source_for(server, idle_stop_s=0.2)) as subject,
    ):
        until(lambda: "TEARDOWN" in server.requests, timeout_s=DEADLINE_S)
        subject.source.resume()
        assert subject.unit().keyframe
        assert [subject.state()[0] for _ in range(2)] == [
            SourceState.STARTING,
            SourceState.RUNNING,
        ]


def test_picture_does_not_wait_for_the_next_one(clip: list[bytes]) -> None:
    arrived: list[int] = []
    with camera(Stream(clip)) as server:
        source = make_source(settings_for(server))
        source.start(lambda _: arrived.append(time.monotonic_ns()), lambda *_: None)
        source.resume()
        until(lambda: len(arrived) >= 40, timeout_s=DEADLINE_S)
        assert source.stop(2.0)
        late_ms = sorted(
            (at - sent) / 1e6 for sent, at in zip(server.sent_ns, arrived, strict=False)
        )

    assert late_ms[len(late_ms) // 2] < 15  # the next one comes after 33


def test_session_is_kept_alive(clip: list[bytes]) -> None:
    with camera(Stream(clip), Wishes(session_s=2)) as server, watched(source_for(server)):
        until(lambda: "OPTIONS" in server.requests, timeout_s=DEADLINE_S)

    keeping = next(head for head in server.heads if head.startswith("OPTIONS"))
    assert "Session: 4711" in keeping


def test_sink_that_raises_does_not_end_the_source(clip: list[bytes]) -> None:
    seen: Units = queue.Queue()

    def raising(unit: AccessUnit) -> None:
        seen.put(unit)
        raise RuntimeError("the sink's mistake")

    with camera(Stream(clip)) as server:
        source = make_source(settings_for(server))
        source.start(raising, lambda *_: None)
        source.resume()
        for _ in range(3):
            seen.get(timeout=DEADLINE_S)
        assert source.stop(2.0)


def test_wishes_that_no_camera_grants_change_nothing(clip: list[bytes]) -> None:
    with camera(Stream(clip)) as server, watched(source_for(server)) as subject:
        assert not subject.source.request_keyframe()
        assert subject.source.set_bitrate(100_000) == 0
        assert subject.source.set_framerate(5.0) == subject.info.fps_max
        assert subject.source.controls() == ()
        with pytest.raises(SourceError, match="no such control"):
            subject.source.set_controls({"zoom": 1.0})


def test_what_ffmpeg_publishes_is_passed_on(clip: list[bytes]) -> None:
    """The packets and the description are FFmpeg's own, as from a camera that is built with it."""
    with camera(Stream(clip)) as server, publishing(server.url):
        until(lambda: "RECORD" in server.requests, timeout_s=DEADLINE_S)
        with watched(source_for(server)) as subject:
            subject.source.resume()
            units = [subject.keyframe(), *(subject.unit() for _ in range(10))]

    assert subject.info.width == 320
    assert [nal_type(nal) for nal in iterate_nals(units[0].data)][:2] == [7, 8]
    assert all(after.captured_ns > before.captured_ns for before, after in pairwise(units))
    context = av.CodecContext.create("h264", "r")
    assert any(context.decode(av.Packet(unit.data)) for unit in units)


@contextmanager
def publishing(url: str) -> Iterator[None]:
    """Publish from another process: PyAV keeps Python's lock while it speaks to the camera."""
    publisher = subprocess.Popen([sys.executable, PUBLISHER, url], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        publisher.kill()
        publisher.wait(DEADLINE_S)
        if publisher.stdin is not None:
            publisher.stdin.close()


def test_network_camera_needs_no_codecs() -> None:
    """The capture child of a small board is 20 MB smaller without PyAV."""
    program = (
        "import sys; from mqcam_device.media import SourceSettings; "
        "from mqcam_device.sources.selection import make_source; "
        "make_source(SourceSettings(kind='rtsp', url='rtsp://camera/')); "
        "sys.exit('av' in sys.modules)"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=DEADLINE_S)
