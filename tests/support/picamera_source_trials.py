"""What the picamera source does with the real picamera2, one trial in a process of its own.

``python -m support.picamera_source_trials NAME`` tells what came of a trial as JSON. The process
must have the environment of `support.picamera.FakeCamera`; the trial itself says what goes wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fakes.scene import IMX219, IMX708, PI_4, SCENE, VARIABLE, WEBCAM, Scene, parse_scene
from mqcam.errors import SourceError
from mqcam_device.conformance.witness import Witness
from mqcam_device.media import LOW, MAIN, SourceSettings, SourceState
from mqcam_device.sources.picamera import camera as camera_module
from mqcam_device.sources.picamera.source import PicameraSource
from support.picamera import FakeCamera
from support.polling import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTINGS: Final = SourceSettings(kind="picamera", width=640, height=480, fps=60.0)
PATIENCE_S = 8.0
STOP_S = 2.0
NS = 1_000_000_000


def scene_here() -> FakeCamera:
    """Return the camera of this process's environment, as the test arranged it."""
    folder = Path(os.environ[VARIABLE])
    return FakeCamera(folder, parse_scene((folder / SCENE).read_text(encoding="utf-8")))


class Running:
    """A started source, and what it delivers."""

    def __init__(self, **terms: Any) -> None:
        self.witness = Witness()
        self.source = PicameraSource(replace(SETTINGS, **terms))
        self.info = self.source.start(self.witness.take, self.witness.hear)

    def flows(self, layer: str = MAIN, count: int = 3) -> bool:
        """Tell whether units come."""
        return self.witness.wait_for_more(count, layer, PATIENCE_S)

    def texts(self, state: SourceState = SourceState.RUNNING) -> list[str]:
        """Return the sentences that came with a state."""
        return [text for each, _, text in self.witness.states if each is state and text]


@contextlib.contextmanager
def running(**terms: Any) -> Iterator[Running]:
    """Start a source for the length of a block."""
    made = Running(**terms)
    try:
        yield made
    finally:
        made.source.stop(STOP_S)


def codec() -> dict[str, Any]:
    """Tell the VideoCore's encoder things: at the start, at run time, and with an old picamera2."""
    scene = scene_here()
    found: dict[str, Any] = {}
    with running() as made:
        made.source.resume()
        made.flows()
        found["asked"] = []
        for wanted_bps in (1_234_567, 10_000):
            applied_bps = made.source.set_bitrate(wanted_bps)
            found["asked"].append(applied_bps)
            scene.await_recorded("encoder control", lambda each: each["value"] == applied_bps)  # noqa: B023
        made.source.resume(LOW)
        made.flows(LOW)
        made.source.pause(LOW)
        scene.await_recorded("encoder stop", lambda _: len(scene.recorded("encoder stop")) > 1)
        found["still flows"] = made.flows()
        found["range"] = made.info.bitrate_range_bps
    from picamera2.encoders.h264_encoder import H264Encoder  # noqa: PLC0415 - of the system

    del H264Encoder.force_key_frame  # as before 0.3.32
    with running() as made:
        made.source.resume()
        made.flows()
        since = made.witness.count()
        made.source.request_keyframe()
        found["old keyframe"] = made.witness.wait_for_keyframe(since, MAIN, PATIENCE_S)
    return found


def frozen_codec() -> dict[str, Any]:
    """Freeze the encoder, which is silence, and stop; then let night fall."""
    scene = scene_here()
    found: dict[str, Any] = {}
    with running() as made:
        made.source.resume()
        made.flows()
        scene.hold_encoder()
        until(lambda: is_silent(made), timeout_s=PATIENCE_S)
        begun_s = time.monotonic()
        found["stopped"] = made.source.stop(1.0)
        found["stop_s"] = time.monotonic() - begun_s
    scene.darken(fps=10)
    with running(fps_min=5.0) as made:
        made.source.resume()
        made.source.resume(LOW)
        made.flows(MAIN, 6)
        made.flows(LOW, 4)
        of_low = {unit.captured_ns for unit in made.witness.units(LOW)[:-2]}  # those may be ahead
        found["one time"] = of_low <= {unit.captured_ns for unit in made.witness.units(MAIN)}
        found["night fps"] = {layer: pace_of(made, layer) for layer in (MAIN, LOW)}
        found["failure"] = made.witness.failure()
    return found


def pace_of(made: Running, layer: str) -> float:
    """Return how many pictures of a layer there are in a second."""
    units = made.witness.units(layer)
    return NS * (len(units) - 1) / (units[-1].captured_ns - units[0].captured_ns)


def is_silent(made: Running) -> bool:
    """Tell whether no unit comes for some frames."""
    return not made.witness.wait_for_more(1, MAIN, 0.15)


def owners_wishes() -> dict[str, Any]:
    """Turn the picture and set controls: in the configuration, then at run time."""
    scene = scene_here()
    scene.withhold("Sharpness")
    wishes = (("hdr", "sensor"), ("autofocus", "continuous"), ("sharpness", 2.0), ("gain", 4.0))
    found: dict[str, Any] = {}
    with running(rotation=270, hflip=True, controls=wishes) as made:
        made.source.resume()
        found["left"] = made.info.rotation
        found["notes"] = made.texts()
        found["at start"] = scene.controls()
        found["refused"] = refusal(
            lambda: made.source.set_controls({"brightness": 0.5, "sharpness": 1.0})
        )
        made.source.set_controls({"zoom": (0.5, 0.0, 0.5, 0.5), "lens_position": 2.0})
        scene.await_recorded("controls", lambda each: "ScalerCrop" in each["controls"])
        found["at run time"] = scene.controls()
        found["values"] = {each.name: each.value for each in made.source.controls()}
        made.flows()
    return found


def rest() -> dict[str, Any]:
    """Leave a camera alone until it stops; start it for a snapshot and for a viewer; stall it."""
    scene = scene_here()
    found: dict[str, Any] = {}
    with running(idle_stop_s=0.05, controls=(("gain", 4.0),)) as made:
        scene.await_recorded("stop")
        found["starts before"] = len(scene.recorded("start"))
        found["snapshot"] = made.source.snapshot(PATIENCE_S)[:2].hex()
        made.source.resume()
        found["first is keyframe"] = made.flows() and made.witness.units()[0].keyframe
        found["controls"] = scene.recorded("start")[-1]["controls"]
        made.source.pause()
        stops = len(scene.recorded("stop"))
        scene.await_recorded("stop", lambda _: len(scene.recorded("stop")) > stops)
        made.source.resume()
        found["again"] = made.flows()
        scene.stall()
        until(lambda: is_silent(made), timeout_s=PATIENCE_S)
        found["stalled"] = refusal(lambda: made.source.snapshot(0.2))
        begun_s = time.monotonic()
        found["stopped"] = made.source.stop(1.0)
        found["stop_s"] = time.monotonic() - begun_s
    with running() as made:
        made.source.resume()
        found["new one"] = made.flows()
    return found


def hanging() -> dict[str, Any]:
    """Let a stop never return, and ask for something afterwards."""
    made = Running()
    made.source.resume()
    made.flows()
    scene_here().hang_stop(for_ever=True)
    begun_s = time.monotonic()
    stopped = made.source.stop(0.3)
    stop_s = time.monotonic() - begun_s
    return {
        "stopped": stopped,
        "stop_s": stop_s,
        "silent": is_silent(made),
        "asked": refusal(lambda: made.source.snapshot(PATIENCE_S)),
    }


def refusals() -> dict[str, Any]:
    """Return every reason why a camera cannot be used."""
    scene = scene_here()
    found: dict[str, Any] = {}
    one = scene.scene
    for name, cameras in {"none": (), "usb": (WEBCAM,), "other": (IMX708, IMX219)}.items():
        scene.scene = Scene(cameras=cameras)
        wanted = "/base/soc/i2c0mux/i2c@1/ov5647@36" if name == "other" else None
        found[name] = start_refusal(camera=wanted)
    scene.scene = one
    scene.refuse_start()
    found["broken"] = start_refusal()
    scene.heal()
    scene.stall(for_ever=True)
    camera_module._FIRST_UNIT_S = 0.3  # type: ignore[misc]
    found["silent"] = start_refusal()
    scene.heal()
    scene.scene = replace(scene.scene, devices=PI_4)
    found["large"] = start_refusal(width=2304, height=1296)
    return found


def start_refusal(**terms: Any) -> str:
    """Return why a source does not start; what it opened is given back."""
    source, witness = PicameraSource(replace(SETTINGS, **terms)), Witness()
    try:
        return refusal(lambda: source.start(witness.take, witness.hear))
    finally:
        source.stop(STOP_S)


def refusal(action: Callable[[], object]) -> str:
    """Return the sentence with which something is refused, empty if it is not."""
    try:
        action()
    except SourceError as error:
        return str(error)
    return ""


TRIALS: Final[dict[str, Callable[[], Any]]] = {
    each.__name__: each for each in (codec, frozen_codec, owners_wishes, rest, hanging, refusals)
}

if __name__ == "__main__":
    result = json.dumps(TRIALS[sys.argv[1]]())
    sys.stdout.write(f"{result}\n")
    sys.stdout.flush()
    os._exit(0)  # a thread that hangs would keep the interpreter
