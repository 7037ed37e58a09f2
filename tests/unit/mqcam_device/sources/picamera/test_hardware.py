from __future__ import annotations

from typing import Any

import pytest
from mqcam_device.media import MAIN, AccessUnit, LayerInfo
from mqcam_device.sources.layer import Thinning
from mqcam_device.sources.picamera import hardware, videocore
from mqcam_device.sources.picamera.encoder import Ties
from mqcam_device.sources.picamera.hardware import Gate, encoder_class, output_class
from mqcam_device.sources.picamera.sensorclock import SensorClock

MS = 1_000_000
INFO = LayerInfo(
    name=MAIN,
    width=1280,
    height=720,
    fps_min=5,
    fps_max=30,
    bitrate_range_bps=(600_000, 4_000_000),
)


class Base:
    """As much of picamera2's encoder as ours builds on; ``force_key_frame`` came with 0.3.32."""

    def __init__(self, **options: object) -> None:
        self.options = options
        self.vd = "the device"
        self.encoded: list[str] = []

    def force_key_frame(self) -> None:
        self.encoded.append("forced")

    def _encode(self, stream: object, request: Request) -> None:
        if request.at_ns < 0:
            raise OSError("the device is gone")
        self.encoded.append(f"{request.at_ns // MS} ms")


class Request:
    """A picture, taken at some time."""

    def __init__(self, at_ns: int) -> None:
        self.at_ns = at_ns

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": self.at_ns}


class Heard:
    """What an encoder told."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.errors: list[Exception] = []
        self.ties = Ties(
            clock=SensorClock(lambda: 0), deliver=self.units.append, fail=self.errors.append
        )


def gated(base: Any) -> tuple[Any, Gate, Heard]:
    heard = Heard()
    gate = Gate(heard.ties)
    return encoder_class(base)(gate, bitrate=1), gate, heard


def test_a_keyframe_that_is_wanted_often_is_forced_once_with_the_next_picture() -> None:
    encoder, gate, _ = gated(Base)
    encoder._encode("main", Request(0))
    for _ in range(3):
        gate.request_keyframe()
    encoder._encode("main", Request(33 * MS))
    encoder._encode("main", Request(67 * MS))
    assert encoder.encoded == ["0 ms", "forced", "33 ms", "67 ms"]


def test_before_picamera2_could_the_driver_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutForce:
        __init__ = Base.__init__
        _encode = Base._encode

    told: list[tuple[object, int, int]] = []
    monkeypatch.setattr(videocore, "set_control", lambda *control: told.append(control))
    encoder, gate, _ = gated(WithoutForce)
    gate.request_keyframe()
    encoder._encode("main", Request(0))
    assert told == [("the device", 0x009909E5, 1)]
    assert encoder.encoded == ["0 ms"]


def test_a_thinned_layer_leaves_pictures_out_but_not_one_that_is_to_be_a_keyframe() -> None:
    encoder, gate, _ = gated(Base)
    gate.thinning = Thinning(source_fps=30, fps=15)
    for number in range(4):
        encoder._encode("lores", Request(number * 33 * MS))
    assert encoder.encoded == ["0 ms", "66 ms"]
    gate.request_keyframe()
    encoder._encode("lores", Request(99 * MS))
    assert encoder.encoded[2:] == ["forced", "99 ms"]


def test_no_error_reaches_picamera2s_event_loop() -> None:
    encoder, _, heard = gated(Base)
    encoder._encode("main", Request(-1))
    assert [str(error) for error in heard.errors] == ["the device is gone"]


def test_the_output_counts_from_the_sensors_first_picture_and_never_raises() -> None:
    class Output:
        pass

    class Encoder:
        firsttimestamp: int | None = 1_000_000

    taken: list[tuple[bytes, int]] = []
    errors: list[Exception] = []
    encoder = Encoder()
    output = output_class(Output)(encoder, lambda *unit: taken.append(unit), errors.append)
    output.outputframe(memoryview(b"unit"), True, 33_333)
    output.outputframe(b"sound", True, 0, None, True)
    encoder.firsttimestamp = None
    output.outputframe(b"unit", True, 0)
    assert taken == [(b"unit", 1_033_333)]
    assert [type(error) for error in errors] == [TypeError]


def test_an_encoder_that_cannot_start_is_tidied_up() -> None:
    stopped: list[object] = []

    class Stopping(Base):
        def stop(self) -> None:
            stopped.append(self)
            raise OSError("it was not even open")

    class Library:
        h264_encoder = Stopping
        output = type("Output", (), {})

    class Picamera:
        def start_encoder(self, encoder: object, output: object, name: str) -> None:
            raise ProcessLookupError("No such process")

    heard = Heard()
    library: Any = Library()
    encoder = hardware.HardwareEncoder(library, INFO, heard.ties, bitrate_bps=1_510_000)
    with pytest.raises(ProcessLookupError):
        encoder.start(Picamera())
    assert not encoder.is_running
    [tidied] = stopped
    options = tidied.options  # type: ignore[attr-defined]
    assert options["bitrate"] == 1_500_000
    assert options["profile"] == "constrained baseline"
    assert options["repeat"] is True
