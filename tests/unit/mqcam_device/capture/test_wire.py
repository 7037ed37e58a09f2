from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import LocalProtocolError
from mqcam_device.capture import wire
from mqcam_device.media import AccessUnit, LayerInfo, SourceSettings, SourceState, StreamInfo

INFO = StreamInfo(
    width=1280,
    height=720,
    fps_min=4.0,
    fps_max=30.0,
    profile_level_id="42c01f",
    can_force_keyframe=True,
    bitrate_range_bps=(100_000, 4_000_000),
    encoder="libx264",
    smaller=(
        LayerInfo(
            name="low",
            width=640,
            height=360,
            fps_min=4.0,
            fps_max=15.0,
            bitrate_range_bps=(100_000, 400_000),
        ),
        LayerInfo(
            name="tiny", width=160, height=90, fps_min=1.0, fps_max=5.0, bitrate_range_bps=None
        ),
    ),
)
MESSAGES: list[wire.Message] = [
    wire.Hello(version=wire.VERSION, build="0.1.0"),
    wire.Start(settings=SourceSettings(kind="film", path="/tmp/ä b.mp4")),  # noqa: S108
    wire.Activate(active=True, layer="low"),
    wire.Keyframe(),
    wire.Bitrate(bitrate_bps=800_000),
    wire.Framerate(fps=12.5),
    wire.Stop(),
    wire.State(state=SourceState.RUNNING, info=INFO),
    wire.State(state=SourceState.FAILED, text="film.mp4: there is no such file"),
    wire.Dropped(units=7),
    AccessUnit(b"\x00\x00\x01\x65", 123_456_789_012, keyframe=True, seq=2**40, layer="low"),
    AccessUnit(b"", 0, keyframe=False, seq=0),
]
STREAM = b"".join(map(wire.encode, MESSAGES))


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_messages_survive_any_cutting_of_the_stream(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    decoder = wire.Decoder()
    decoded: list[wire.Message] = []
    for begin, end in pairwise(edges):
        decoded += decoder.feed(STREAM[begin:end])
    assert decoded == MESSAGES


@given(
    st.builds(
        AccessUnit,
        st.binary(max_size=300),
        st.integers(0, 2**63),
        st.booleans(),
        st.integers(0, 2**63),
        st.text(max_size=16),
    )
)
def test_any_unit_comes_back(unit: AccessUnit) -> None:
    assert list(wire.Decoder().feed(wire.encode(unit))) == [unit]


@given(st.binary(max_size=120))
def test_garbage_is_refused_as_a_broken_protocol(data: bytes) -> None:
    frames = [data, struct.pack("!I", len(data)) + data]
    frames += [struct.pack("!IB", len(data) + 1, kind) + data for kind in range(1, 12)]
    for frame in frames:
        with contextlib.suppress(LocalProtocolError):
            list(wire.Decoder().feed(frame))


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"state": "asleep", "info": null, "text": ""}',
        b'{"state": "running", "info": 5, "text": ""}',
        b'{"state": "running", "info": {"width": 1, "bitrate_range_bps": 3}, "text": ""}',
        b'{"state": "running", "info": {"smaller": 3, "bitrate_range_bps": null}, "text": ""}',
        b'{"state": "running", "info": {"smaller": [{}], "bitrate_range_bps": null}, "text": ""}',
        b"[" * 5000,
    ],
)
def test_a_record_of_another_shape_is_refused(body: bytes) -> None:
    frame = struct.pack("!IB", len(body) + 1, 9) + body
    with pytest.raises(LocalProtocolError, match="kind 9"):
        list(wire.Decoder().feed(frame))


@pytest.mark.parametrize("length", [0, wire.MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_an_absurd_length_is_refused_before_anything_is_kept(length: int) -> None:
    with pytest.raises(LocalProtocolError, match="claims"):
        list(wire.Decoder().feed(struct.pack("!I", length)))


def test_the_layers_of_a_stream_begin_with_main() -> None:
    assert [layer.name for layer in INFO.layers] == ["main", "low", "tiny"]
    main = INFO.layers[0]
    assert (main.width, main.height, main.fps_max) == (1280, 720, 30.0)
    assert main.bitrate_range_bps == (100_000, 4_000_000)


def test_a_monstrous_unit_is_not_sent() -> None:
    with pytest.raises(LocalProtocolError, match="too large"):
        wire.encode(AccessUnit(bytes(wire.MAX_FRAME_BYTES), 0, keyframe=True, seq=0))


def test_builds_that_differ_refuse_each_other_with_a_remedy() -> None:
    wire.check_hello(wire.Hello(version=wire.VERSION, build="1.0"), "1.0")
    with pytest.raises(LocalProtocolError, match="restart mqcam-device"):
        wire.check_hello(wire.Hello(version=wire.VERSION, build="1.1"), "1.0")
    with pytest.raises(LocalProtocolError, match="restart mqcam-device"):
        wire.check_hello(wire.Hello(version=wire.VERSION + 1, build="1.0"), "1.0")
    with pytest.raises(LocalProtocolError, match="language"):
        wire.check_hello(wire.Stop(), "1.0")
