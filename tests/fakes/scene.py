"""What a test arranges for the fake camera in another process, and what that camera tells.

One folder joins the two: the test writes ``scene.json`` there, the fake reads it again whenever it
changed and appends what it was asked to ``record.jsonl``. It must not know libcamera.

A fault strikes what was started before a moment, so that a test can let a camera stall until it is
opened anew (the moment is now) or whatever is done about it (the moment is ``FOR_EVER``).
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

VARIABLE: Final = "MQCAM_FAKE_CAMERA"
"""The environment variable that names the folder."""

FOR_EVER: Final = 2**62
NEVER: Final = 0

SCENE, RECORD = "scene.json", "record.jsonl"

Range = tuple[Any, Any, Any]
"""Least, greatest and default of a control; a rectangle is (x, y, width, height)."""

FULL: Final = (0, 0, 4608, 2592)
CSI_CONTROLS: Final[dict[str, Range]] = {
    "AeConstraintMode": (0, 3, 0),
    "AeEnable": (False, True, True),
    "AeExposureMode": (0, 3, 0),
    "AeFlickerMode": (0, 1, 0),
    "AeFlickerPeriod": (100, 1_000_000, None),
    "AeMeteringMode": (0, 3, 0),
    "AnalogueGain": (1.0, 16.0, 1.0),
    "AnalogueGainMode": (0, 1, 0),
    "AwbEnable": (False, True, True),
    "AwbMode": (0, 7, 0),
    "Brightness": (-1.0, 1.0, 0.0),
    "ColourGains": (0.0, 32.0, None),
    "ColourTemperature": (100, 100_000, None),
    "Contrast": (0.0, 32.0, 1.0),
    "ExposureTime": (9, 66_666, 20_000),
    "ExposureTimeMode": (0, 1, 0),
    "ExposureValue": (-8.0, 8.0, 0.0),
    "FrameDurationLimits": (8_333, 220_416_802, 33_333),
    "HdrMode": (0, 4, 0),
    "NoiseReductionMode": (0, 4, 0),
    "Saturation": (0.0, 32.0, 1.0),
    "ScalerCrop": ((0, 0, 64, 64), FULL, FULL),
    "Sharpness": (0.0, 16.0, 1.0),
}
AUTOFOCUS: Final[dict[str, Range]] = {
    "AfMetering": (0, 1, 0),
    "AfMode": (0, 2, 0),
    "AfPause": (0, 2, 0),
    "AfRange": (0, 2, 0),
    "AfSpeed": (0, 1, 0),
    "AfTrigger": (0, 1, 0),
    "AfWindows": ((0, 0, 0, 0), (65535, 65535, 65535, 65535), (0, 0, 0, 0)),
    "LensPosition": (0.0, 15.0, 1.0),
}
USB_CONTROLS: Final[dict[str, Range]] = {
    "Brightness": (-1.0, 1.0, 0.0),
    "Contrast": (0.0, 2.0, 1.0),
    "ExposureTime": (100, 1_000_000, 15_600),
    "Saturation": (0.0, 2.0, 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraScene:
    """One camera: what it is, what it advertises, what goes wrong with it.

    ``exposure_us`` is what the light asks for: frames come as fast as that and the limits of
    their duration allow. Moments are nanoseconds of CLOCK_MONOTONIC.
    """

    id: str
    model: str
    rotation: int = 0
    location: int = 2
    controls: dict[str, Range] = field(default_factory=dict)
    modes: tuple[tuple[int, int], ...] = ((1536, 864), (2304, 1296), (4608, 2592))
    open_ms: int = 0
    exposure_us: int = 10_000
    is_present: bool = True
    starts: bool = True
    stalled_before_ns: int = NEVER
    cancelled_before_ns: int = NEVER
    spoilt_before_ns: int = NEVER
    stop_hangs_before_ns: int = NEVER
    hang_holds_gil: bool = False

    @property
    def is_usb(self) -> bool:
        """Whether libcamera's uvcvideo pipeline runs it: no raw stream, its own formats."""
        return "/usb" in self.id


IMX708: Final = CameraScene(
    id="/base/soc/i2c0mux/i2c@1/imx708@1a", model="imx708", controls={**CSI_CONTROLS, **AUTOFOCUS}
)
IMX219: Final = CameraScene(
    id="/base/soc/i2c0mux/i2c@0/imx219@10",
    model="imx219",
    rotation=180,
    controls=CSI_CONTROLS,
    modes=((640, 480), (1640, 1232), (1920, 1080), (3280, 2464)),
)
WEBCAM: Final = CameraScene(
    id="/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.3:1.0-046d:0825",
    model="Webcam C270",
    controls=USB_CONTROLS,
    modes=((640, 480), (1280, 720)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything that is to be seen: the cameras, and the board they are on.

    ``devices`` are the nodes of the board's codec and ISP by path, with the names of their cards.
    ``encoder_held_before_ns``: an encoder opened before that moment keeps its buffers.
    """

    cameras: tuple[CameraScene, ...] = (IMX708,)
    devices: dict[str, str] = field(default_factory=dict)
    encoder_held_before_ns: int = NEVER

    def camera(self, camera_id: str) -> CameraScene | None:
        """Return the camera of that id, present or not."""
        return next((each for each in self.cameras if each.id == camera_id), None)


PI_4: Final = {"/dev/video11": "bcm2835-codec-encode", "/dev/video13": "bcm2835-isp"}
PI_5: Final = {"/dev/video20": "pispbe"}


def write_scene(folder: Path, scene: Scene) -> None:
    """Put a scene in place, in one step."""
    fresh = folder / f"{SCENE}.new"
    fresh.write_text(json.dumps(asdict(scene)), encoding="utf-8")
    fresh.replace(folder / SCENE)


def parse_scene(text: str) -> Scene:
    """Read what `write_scene` wrote."""
    tree = json.loads(text)
    cameras = tuple(
        CameraScene(
            **{
                **each,
                "controls": {name: as_range(ends) for name, ends in each["controls"].items()},
                "modes": tuple((width, height) for width, height in each["modes"]),
            }
        )
        for each in tree.pop("cameras")
    )
    return Scene(cameras=cameras, **tree)


def as_range(ends: list[Any]) -> Range:
    """Return a control's range as it was before JSON made lists of its tuples."""
    least, most, default = (tuple(end) if isinstance(end, list) else end for end in ends)
    return least, most, default


class Stage:
    """The fake's end of the folder: the scene as it is now, and the record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: tuple[int, int] | None = None
        self._scene = Scene()

    @property
    def scene(self) -> Scene:
        """The scene as the test last wrote it."""
        try:
            found = (self.folder / SCENE).stat()
        except FileNotFoundError:
            return self._scene
        if self._seen != (found.st_ino, found.st_mtime_ns):
            self._scene = parse_scene((self.folder / SCENE).read_text(encoding="utf-8"))
            self._seen = (found.st_ino, found.st_mtime_ns)
        return self._scene

    def camera(self, camera_id: str) -> CameraScene:
        """Return a camera as it is now; one that was taken out of the scene is absent."""
        found = self.scene.camera(camera_id)
        return found or replace(IMX708, id=camera_id, is_present=False)

    def tell(self, event: str, **facts: Any) -> None:
        """Append one event to the record, in one write so that processes do not mix."""
        entry = {"event": event, "at_ns": time.monotonic_ns(), "pid": os.getpid(), **facts}
        line = json.dumps(entry, default=plain) + "\n"
        record = os.open(self.folder / RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(record, line.encode())
        finally:
            os.close(record)


def plain(value: Any) -> Any:
    """Return a libcamera value in terms of JSON."""
    if hasattr(value, "width"):
        parts = ("x", "y", "width", "height")
        return [getattr(value, part) for part in parts if hasattr(value, part)]
    return str(value)
