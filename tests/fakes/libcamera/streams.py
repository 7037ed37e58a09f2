"""What a camera is asked to deliver, and what it makes of that."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from .colours import ColorSpace
from .geometry import Size
from .transform import FLIPS, Orientation

if TYPE_CHECKING:
    from collections.abc import Iterator

ALIGNMENT_BYTES = 64
"""The ISP begins each row at such an address; half that in the planes of colour."""

PROCESSED = {
    **dict.fromkeys(("YUV420", "YVU420", "NV12", "NV21"), (1, 3, 2)),
    **dict.fromkeys(("YUYV", "YVYU", "UYVY", "VYUY"), (2, 2, 2)),
    **dict.fromkeys(("RGB888", "BGR888"), (3, 2, 2)),
    **dict.fromkeys(("XBGR8888", "XRGB8888"), (4, 2, 2)),
}
"""Formats that the ISP delivers: bytes of a pixel in the first plane, all planes to that one."""

RAW_FORMATS = ("SRGGB10_CSI2P", "SRGGB10")
USB_FORMATS = ("YUYV", "MJPEG")


class StreamRole(enum.Enum):
    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class PixelFormat:
    def __init__(self, name: str = "<INVALID>") -> None:
        self._name = str(name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PixelFormat) and self._name == other._name

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"libcamera.PixelFormat('{self._name}')"


class StreamFormats:
    """The formats of a stream, each in every size of the sensor."""

    def __init__(self, names: tuple[str, ...], sizes: tuple[tuple[int, int], ...]) -> None:
        self.pixel_formats = [PixelFormat(name) for name in names]
        self._sizes = sizes

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        return [Size(*each) for each in self._sizes]


class Stream:
    """One stream of a configured camera; ``configuration`` is what it was configured with."""

    def __init__(self) -> None:
        self.configuration: StreamConfiguration = StreamConfiguration(StreamFormats((), ()))


class StreamConfiguration:
    def __init__(self, formats: StreamFormats, *, is_raw: bool = False) -> None:
        self.formats = formats
        self._is_raw = is_raw
        self.size = Size(640, 480)
        self.pixel_format = PixelFormat("YUV420")
        self.buffer_count = 4
        self.stride = self.frame_size = 0
        self.color_space: ColorSpace | None = ColorSpace.Rec709()
        self.stream: Stream | None = None

    def __str__(self) -> str:
        return f"{self.size}-{self.pixel_format}"


class SensorConfiguration:
    def __init__(self) -> None:
        self.bit_depth = 0
        self.output_size = Size()


class _Status(enum.Enum):
    Valid = 0
    Adjusted = 1
    Invalid = 2


class CameraConfiguration:
    """One configuration for each role asked for, and how the sensor is read."""

    Status = _Status

    def __init__(
        self, roles: list[StreamRole], modes: tuple[tuple[int, int], ...], *, usb: bool
    ) -> None:
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None
        self._modes, self._is_usb = modes, usb
        processed = USB_FORMATS if usb else tuple(PROCESSED)
        self._streams = [
            StreamConfiguration(StreamFormats(RAW_FORMATS, modes), is_raw=True)
            if role is StreamRole.Raw and not usb
            else StreamConfiguration(StreamFormats(processed, modes))
            for role in roles
        ]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def size(self) -> int:
        return len(self._streams)

    @property
    def empty(self) -> bool:
        return not self._streams

    def at(self, index: int) -> StreamConfiguration:
        return self._streams[index]

    def validate(self) -> _Status:
        """Make of it what the camera can do, and tell whether that is what was asked."""
        if not self._streams:
            return _Status.Invalid
        asked = [str(each) for each in self._streams]
        turned = self.orientation
        if turned not in FLIPS or self._is_usb:
            self.orientation = Orientation.Rotate0  # no sensor swaps rows and columns
        for each in self._streams:
            if each._is_raw:
                self._fit_raw(each)
            elif self._is_usb:
                self._fit_usb(each)
            else:
                fit_processed(each)
            each.stream = each.stream or Stream()
        same = asked == [str(each) for each in self._streams] and turned is self.orientation
        return _Status.Valid if same else _Status.Adjusted

    def _fit_raw(self, stream: StreamConfiguration) -> None:
        wanted = self.sensor_config.output_size if self.sensor_config else stream.size
        fitting = [mode for mode in self._modes if mode[0] >= wanted.width]
        stream.size = Size(*(fitting or self._modes[-1:])[0])
        if str(stream.pixel_format) not in RAW_FORMATS:
            stream.pixel_format = PixelFormat(RAW_FORMATS[0])
        stream.stride = aligned(stream.size.width * 5 // 4)
        stream.frame_size = stream.stride * stream.size.height

    def _fit_usb(self, stream: StreamConfiguration) -> None:
        """Give a webcam's stream what it has: YUYV, in the nearest of its sizes."""
        stream.size = Size(*min(self._modes, key=lambda mode: abs(mode[0] - stream.size.width)))
        stream.pixel_format = PixelFormat(USB_FORMATS[0])
        stream.stride = stream.size.width * 2
        stream.frame_size = stream.stride * stream.size.height


def fit_processed(stream: StreamConfiguration) -> None:
    """Give a stream of the ISP an even size, a format of its own and padded rows."""
    stream.size = Size(stream.size.width & ~1, stream.size.height & ~1)
    if str(stream.pixel_format) not in PROCESSED:
        stream.pixel_format = PixelFormat("XRGB8888")
    pixel_bytes, whole, first = PROCESSED[str(stream.pixel_format)]
    stream.stride = max(aligned(stream.size.width * pixel_bytes), stream.stride)
    stream.frame_size = stream.stride * stream.size.height * whole // first


def aligned(width_bytes: int) -> int:
    """Return the next address at which a row may begin."""
    return -(-width_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
