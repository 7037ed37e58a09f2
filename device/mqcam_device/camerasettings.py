"""What the configuration may say about a camera, by its kind.

It must not know YAML or any other module of the agent: mqcam.config reads the annotations.
"""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from mqcam.config import Matches, Range

from mqcam_device.media import ControlValue

IdleStop = Annotated[float, Range(0, 86_400, "seconds")]
CameraId = Annotated[str, Matches(r"[!-~]{1,256}", "an id as 'mqcam-device cameras' prints it")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PicameraControls:
    """What a Pi camera shall do by itself or be set to; None leaves it to the camera."""

    autofocus: Literal["manual", "auto", "continuous"] | None = None
    lens_position: Annotated[float, Range(0, 32, "dioptres")] | None = None
    hdr: Literal["off", "sensor", "single", "multi", "night"] | None = None
    exposure_us: Annotated[int, Range(0, 10_000_000, "microseconds")] | None = None
    """0: the camera chooses, as at run time; so with the gain."""
    gain: Annotated[float, Range(0, 64)] | None = None
    ev: Annotated[float, Range(-8, 8, "stops")] | None = None
    white_balance: (
        Literal["auto", "incandescent", "tungsten", "fluorescent", "indoor", "daylight", "cloudy"]
        | None
    ) = None
    brightness: Annotated[float, Range(-1, 1)] | None = None
    contrast: Annotated[float, Range(0, 32)] | None = None
    saturation: Annotated[float, Range(0, 32)] | None = None
    sharpness: Annotated[float, Range(0, 16)] | None = None
    zoom: Annotated[tuple[float, ...], Range(4, 4, "numbers")] | None = None
    """Left, top, width and height as parts of the full view."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that join several values."""
        if self.zoom is not None:
            left, top, width, height = self.zoom
            is_inside = min(left, top) >= 0 and left + width <= 1 and top + height <= 1
            if not is_inside or min(width, height) <= 0:
                text = "is not inside the view: left, top, width, height, each a part from 0 to 1"
                yield "zoom", text
        if self.lens_position is not None and self.autofocus not in {None, "manual"}:
            yield "lens_position", "is for 'autofocus: manual' only"

    def pairs(self) -> tuple[tuple[str, ControlValue], ...]:
        """Return what is set, by name."""
        values = ((each.name, getattr(self, each.name)) for each in fields(self))
        return tuple((name, value) for name, value in values if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PicameraSource:
    """A camera on the Pi's ribbon cable, through picamera2."""

    kind: Literal["picamera"] = "picamera"
    camera: CameraId | None = None
    """None: the first one."""
    idle_stop_s: IdleStop | None = None
    controls: PicameraControls = field(default_factory=PicameraControls)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbSource:
    """A USB camera, or whatever else V4L2 has."""

    kind: Literal["usb"] = "usb"
    camera: CameraId | None = None
    """None: the only one."""
    format: Literal["auto", "h264", "mjpeg", "yuyv422"] = "auto"
    idle_stop_s: IdleStop | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RtspSource:
    """A network camera that speaks RTSP; its H.264 is passed on as it is."""

    kind: Literal["rtsp"] = "rtsp"
    url: str
    username: str | None = None
    password_file: Path | None = None
    idle_stop_s: IdleStop | None = None

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rules that join two keys; none of them repeats the address."""
        try:
            parts = urlsplit(self.url)
            is_good = parts.scheme in {"rtsp", "rtsps"} and bool(parts.hostname)
            has_port = parts.port is None or parts.port > 0
        except ValueError:
            is_good = has_port = False
        if not (is_good and has_port):
            yield "url", "expected an address such as rtsp://192.0.2.7/stream1"
        elif parts.username is not None or parts.password is not None:
            text = "holds an account: put it into username and password_file, which only root reads"
            yield "url", text
        if self.password_file is not None and self.username is None:
            yield "username", "is missing: a password needs one"
