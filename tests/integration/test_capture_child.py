"""The real capture child on one end of a socketpair, the test on the other.

It is long because all that one can say to a child is said here, by one and the same half of a link.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from mqcam.h264 import SPS, iterate_nals, nal_type, parse_sps
from mqcam_device.capture import wire
from mqcam_device.capture.build import build_name
from mqcam_device.media import LOW, MAIN, AccessUnit, SourceSettings, SourceState
from support.films import make_film

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SMALL = SourceSettings(width=320, height=240, bitrate_bps=300_000, label="test")
HD = SourceSettings(width=1280, height=720, bitrate_bps=1_500_000, label="test")
DEADLINE_S = 10.0


class Child:
    """A running child and the agent's half of its socket."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mqcam_device.capture", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        self.socket.settimeout(DEADLINE_S)
        self._decoder = wire.Decoder()
        self._waiting: list[wire.Message] = []

    def send(self, *messages: wire.Message) -> None:
        self.socket.sendall(b"".join(map(wire.encode, messages)))

    def receive(self) -> wire.Message | None:
        """Return the next message, None after the child hung up."""
        while not self._waiting:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._waiting += self._decoder.feed(data)
        return self._waiting.pop(0)

    def receive_until(self, wanted: Callable[[wire.Message], bool]) -> wire.Message:
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            message = self.receive()
            assert message is not None, "the child hung up"
            if wanted(message):
                return message
        raise AssertionError("not received in time")

    def start(self, settings: SourceSettings = SMALL) -> wire.State:
        self.send(wire.Hello(version=wire.VERSION, build=build_name()))
        self.send(wire.Start(settings=settings))
        assert self.receive() == wire.Hello(version=wire.VERSION, build=build_name())
        state = self.receive()
        assert isinstance(state, wire.State)
        return state

    def receive_unit(self) -> AccessUnit:
        unit = self.receive_until(lambda message: isinstance(message, AccessUnit))
        assert isinstance(unit, AccessUnit)
        return unit

    def end(self) -> tuple[int, str]:
        """Wait for the child's own end; returns exit code and what it wrote."""
        _, stderr = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, stderr.decode()


@contextmanager
def running_child() -> Iterator[Child]:
    child = Child()
    try:
        yield child
    finally:
        child.socket.close()
        if child.process.poll() is None:
            try:
                child.process.communicate(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.communicate()
        elif child.process.stderr:
            child.process.stderr.close()


@pytest.fixture
def child() -> Iterator[Child]:
    with running_child() as running:
        yield running


def test_the_first_unit_is_a_keyframe_of_the_announced_profile(child: Child) -> None:
    state = child.start()
    assert state.info is not None
    child.send(wire.Activate(active=True))
    unit = child.receive_unit()
    assert unit.keyframe
    sps = next(nal for nal in iterate_nals(unit.data) if nal_type(nal) == SPS)
    assert parse_sps(sps).profile_level_id == state.info.profile_level_id
    assert (parse_sps(sps).width, parse_sps(sps).height) == (320, 240)


def test_a_reopened_source_goes_on_as_the_former_did(child: Child) -> None:
    """Its numbers go on, and it begins with a keyframe."""
    child.start()
    child.send(wire.Framerate(fps=10), wire.Activate(active=True))
    before = [child.receive_unit() for _ in range(3)]
    child.send(wire.Reopen())
    states: list[wire.State] = []
    message = child.receive()
    while not (states and isinstance(message, AccessUnit)):
        if isinstance(message, wire.State):
            states.append(message)
        elif isinstance(message, AccessUnit):
            before.append(message)
        message = child.receive()
    assert states[0].state is SourceState.RUNNING
    assert (message.keyframe, message.seq) == (True, before[-1].seq + 1)
    pace_ms = (child.receive_unit().captured_ns - child.receive_unit().captured_ns) / -1e6
    assert pace_ms == pytest.approx(100, abs=40)


def test_a_source_that_cannot_be_reopened_is_told(child: Child, tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    child.start(SourceSettings(kind="film", path=str(film)))
    film.unlink()
    child.send(wire.Reopen())
    state = child.receive_until(lambda message: isinstance(message, wire.State))
    assert isinstance(state, wire.State)
    assert (state.state, state.text) == (SourceState.FAILED, f"{film}: there is no such file")


def test_a_question_is_answered_under_its_number(child: Child) -> None:
    child.start()
    child.send(wire.Ask(number=7, verb=wire.PING, args={}, within_s=1.0))
    child.send(wire.Ask(number=8, verb=wire.CONTROLS, args={}, within_s=1.0))
    alive = child.receive()
    assert isinstance(alive, wire.Reply)
    assert alive.number == 7
    assert alive.result["busy_s"] < 1.0
    assert child.receive() == wire.Reply(number=8, result={"controls": []})


def test_a_child_without_a_source_says_so(child: Child) -> None:
    child.send(wire.Hello(version=wire.VERSION, build=build_name()))
    child.send(wire.Ask(number=1, verb=wire.SNAPSHOT, args={}, within_s=1.0))
    child.receive()
    reply = child.receive()
    assert isinstance(reply, wire.Reply)
    assert reply.error == "camera: is not open just now; try again"


def test_nothing_is_encoded_before_activation_nor_after(child: Child) -> None:
    child.start()
    child.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        child.receive()
    child.socket.settimeout(DEADLINE_S)
    child.send(wire.Activate(active=True))
    last = child.receive_unit()
    child.send(wire.Activate(active=False))
    child.socket.settimeout(0.3)
    with contextlib.suppress(TimeoutError):
        while isinstance(message := child.receive(), AccessUnit) and message.seq < 10:
            last = message
    assert last.seq < 9
    child.socket.settimeout(DEADLINE_S)
    child.send(wire.Activate(active=True))
    unit = child.receive_unit()
    assert unit.keyframe
    assert unit.seq == last.seq + 1


def test_units_come_at_the_frame_rate_without_holes(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True))
    units = [child.receive_unit() for _ in range(31)]
    assert [unit.seq for unit in units] == list(range(31))
    assert [unit.keyframe for unit in units] == [True] + [False] * 30
    span_s = (units[-1].captured_ns - units[0].captured_ns) / 1e9
    assert span_s == pytest.approx(1.0, abs=0.1)


def test_a_keyframe_comes_within_two_pictures_of_its_request(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True))
    for _ in range(5):
        child.receive_unit()
    asked_ns = time.monotonic_ns()
    child.send(wire.Keyframe())
    later = 0
    while not (unit := child.receive_unit()).keyframe:
        later += unit.captured_ns > asked_ns
    assert later <= 1


def test_another_frame_rate_is_told_and_begins_with_a_keyframe(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True))
    child.receive_unit()
    child.send(wire.Framerate(fps=10))
    state = child.receive_until(lambda m: isinstance(m, wire.State))
    assert isinstance(state, wire.State)
    assert state.info is not None
    assert state.info.fps_max == 10
    keyframe = child.receive_until(lambda m: isinstance(m, AccessUnit) and m.keyframe)
    following = child.receive_unit(), child.receive_unit()
    assert isinstance(keyframe, AccessUnit)
    span_ms = (following[1].captured_ns - following[0].captured_ns) / 1e6
    assert span_ms == pytest.approx(100, abs=30)


def test_the_child_ends_when_the_agent_is_gone(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True))
    child.receive_unit()
    child.socket.close()
    assert child.end() == (0, "")


def test_the_child_ends_when_the_agent_goes_before_it_says_anything(child: Child) -> None:
    child.socket.close()
    assert child.end() == (0, "")


def test_the_child_ends_when_told_to(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True), wire.Stop())
    assert child.end() == (0, "")


def test_an_agent_that_does_not_read_cannot_keep_the_child_from_ending(child: Child) -> None:
    child.start(SourceSettings(width=1280, height=720, bitrate_bps=4_000_000))
    child.send(wire.Activate(active=True))
    child.receive_unit()
    wait_until_idle(child)
    child.send(wire.Stop())
    assert child.process.wait(DEADLINE_S) == 0


def test_an_agent_that_did_not_read_for_a_while_goes_on_at_a_keyframe(child: Child) -> None:
    """What was dropped in between is counted and told."""
    child.start(SourceSettings(width=640, height=480, bitrate_bps=4_000_000, fps=120))
    child.send(wire.Activate(active=True))
    child.receive_unit()
    wait_until_idle(child)
    seqs = []
    while not isinstance(message := child.receive(), wire.Dropped):
        assert isinstance(message, AccessUnit)
        seqs.append(message.seq)
    unit = child.receive_unit()
    while unit.seq == seqs[-1] + 1:  # what had been queued before the drop
        seqs.append(unit.seq)
        unit = child.receive_unit()
    assert unit.keyframe
    assert message.units == unit.seq - seqs[-1] - 1
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def wait_until_idle(child: Child) -> None:
    """Wait, without reading, until the socket holds all it can and units must be dropped.

    The only sign from outside is time: 30 units are queued and the socket takes about 200 kB.
    """
    time.sleep(1.5)
    assert child.process.poll() is None


@pytest.mark.parametrize(
    "hello",
    [
        wire.Hello(version=wire.VERSION, build="0.0.1"),
        wire.Hello(version=wire.VERSION + 1, build=build_name()),
        wire.Stop(),
    ],
)
def test_an_agent_of_another_build_is_refused_with_a_sentence(
    child: Child, hello: wire.Message
) -> None:
    child.send(hello)
    child.receive()
    state = child.receive()
    assert isinstance(state, wire.State)
    assert state.state is SourceState.FAILED
    assert state.text
    child.socket.shutdown(socket.SHUT_WR)
    assert child.end() == (4, "")


def test_garbage_ends_the_child_with_a_sentence(child: Child) -> None:
    child.socket.sendall(b"\xff" * 1000)
    child.receive()
    state = child.receive()
    assert isinstance(state, wire.State)
    assert "claims" in state.text
    child.socket.shutdown(socket.SHUT_WR)
    assert child.end() == (4, "")


def test_a_source_that_cannot_start_is_told(child: Child) -> None:
    state = child.start(SourceSettings(kind="film", path="/nowhere/film.mp4"))
    assert state.state is SourceState.FAILED
    assert state.text == "/nowhere/film.mp4: there is no such file"
    child.socket.shutdown(socket.SHUT_WR)
    assert child.end() == (3, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_is_the_agents_to_answer(child: Child, number: int) -> None:
    child.start()
    os.kill(child.process.pid, number)
    child.send(wire.Activate(active=True))
    assert child.receive_unit().keyframe


def test_a_layer_that_is_not_encoded_is_ignored(child: Child) -> None:
    child.start()
    child.send(wire.Activate(active=True, layer="tiny"), wire.Keyframe(layer="tiny"))
    child.send(wire.Bitrate(bitrate_bps=100_000, layer="tiny"))
    child.send(wire.Activate(active=True))
    assert child.receive_unit().layer == "main"


def test_the_low_layer_shows_every_second_picture_of_main(child: Child) -> None:
    """It begins with a keyframe, has numbers of its own and main's moments."""
    state = child.start(HD)
    assert state.info is not None
    assert [layer.name for layer in state.info.layers] == [MAIN, LOW]
    child.send(wire.Activate(active=True), wire.Activate(active=True, layer=LOW))
    units = [child.receive_unit() for _ in range(90)]
    main = [unit for unit in units if unit.layer == MAIN]
    low = [unit for unit in units if unit.layer == LOW]
    assert [unit.seq for unit in main] == list(range(len(main)))
    assert [unit.seq for unit in low] == list(range(len(low)))
    assert [unit.seq for unit in low if unit.keyframe] == [0]
    assert len(low) == pytest.approx(len(main) / 2, abs=3)
    assert {unit.captured_ns for unit in low} <= {unit.captured_ns for unit in main}
    assert size_of(main[0]) == (1280, 720)
    assert size_of(low[0]) == (640, 360)


def test_a_layer_is_encoded_only_while_it_is_active(child: Child) -> None:
    child.start(HD)
    child.send(wire.Activate(active=True, layer=LOW))
    assert {child.receive_unit().layer for _ in range(5)} == {LOW}
    child.send(wire.Activate(active=True))
    child.receive_until(lambda m: isinstance(m, AccessUnit) and m.layer == MAIN and m.keyframe)
    child.send(wire.Activate(active=False, layer=LOW), wire.Framerate(fps=20))
    child.receive_until(lambda m: isinstance(m, wire.State))  # the child has read both
    assert {child.receive_unit().layer for _ in range(10)} == {MAIN}
    child.send(wire.Activate(active=True, layer=LOW))
    again = child.receive_until(lambda m: isinstance(m, AccessUnit) and m.layer == LOW)
    assert isinstance(again, AccessUnit)
    assert again.keyframe


def test_a_keyframe_is_of_the_layer_that_was_asked(child: Child) -> None:
    child.start(HD)
    child.send(wire.Activate(active=True), wire.Activate(active=True, layer=LOW))
    for _ in range(6):
        child.receive_unit()
    child.send(wire.Keyframe(layer=LOW))
    units: list[AccessUnit] = []
    while not (units and units[-1].keyframe):
        units.append(child.receive_unit())
    units += [child.receive_unit() for _ in range(6)]
    assert [unit.layer for unit in units if unit.keyframe] == [LOW]


def test_a_bit_rate_is_that_of_the_layer_that_was_asked(child: Child) -> None:
    child.start(HD)
    child.send(wire.Bitrate(bitrate_bps=100_000, layer=LOW))
    child.send(wire.Activate(active=True), wire.Activate(active=True, layer=LOW))
    units = [child.receive_unit() for _ in range(90)]
    bits = Counter[str]()
    for unit in units:
        bits[unit.layer] += 8 * len(unit.data)
    assert bits[LOW] / 2 <= 150_000
    assert bits[MAIN] / 2 >= 1_000_000


def size_of(unit: AccessUnit) -> tuple[int, int]:
    sps = next(nal for nal in iterate_nals(unit.data) if nal_type(nal) == SPS)
    return parse_sps(sps).width, parse_sps(sps).height


def test_started_by_hand_it_says_who_starts_it() -> None:
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "mqcam_device.capture"],
        capture_output=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert finished.returncode == 2
    assert b"mqcam-device run" in finished.stderr


def test_the_child_loads_nothing_of_the_network() -> None:
    """It stays lean, and a fault in it cannot reach a key."""
    program = (
        "import sys, mqcam_device.capture.__main__, mqcam_device.sources.selection\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(names & {'aiortc', 'aioice', 'paho', 'asyncio', 'ssl', 'numpy', 'yaml',"
        " 'cryptography', 'pylibsrtp', 'picamera2'}))"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, check=True, timeout=DEADLINE_S
    )
    assert finished.stdout.strip() == b"[]"
