"""The test pattern: colour bars, a clock, a ball that moves smoothly, sensor-like noise.

It must not know encoders or viewers. Drawn without numpy, because nothing else here needs it.
"""

from __future__ import annotations

import math
import random
import time
from typing import TYPE_CHECKING

from av.video.frame import VideoFrame

from mqcam_device.media import BT709
from mqcam_device.sources import marker
from mqcam_device.sources.canvas import Canvas, Colour, Plane, TextStyle
from mqcam_device.sources.raw import NS, RawInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS = (
    Colour(180, 128, 128),
    Colour(168, 44, 136),
    Colour(145, 147, 44),
    Colour(133, 63, 52),
    Colour(63, 193, 204),
    Colour(51, 109, 212),
    Colour(28, 212, 120),
)
_PAPER = Colour(26, 136, 124)
_INK = 225
_FAINT = 150
_BALL_PERIOD_S = 6.0
_BOUNCE_PERIOD_S = 1.7
_NOISE_BYTES = 1 << 16
_NOISE_MIDDLE, _NOISE_SPREAD = 100, 22


class Pattern:
    """A `RawSource` that draws its pictures."""

    def __init__(self, *, width: int, height: int, fps: float, label: str) -> None:
        self._width, self._height, self._fps = width, height, fps
        self._frame = VideoFrame(width, height, "yuv420p")
        self._frame.colorspace = BT709
        self._canvas = _canvas_over(self._frame)
        self._painter = _Painter(self._canvas, label=label)
        self._count = 0
        self._begun_ns = 0
        self._drawn = 0

    def open(self) -> RawInfo:
        """Tell size and rate; nothing can fail."""
        return RawInfo(width=self._width, height=self._height, fps_min=self._fps, fps_max=self._fps)

    def begin(self, now_ns: int) -> None:
        """Restart the pace: the next picture is due now."""
        self._begun_ns = now_ns
        self._drawn = 0

    def due_ns(self, now_ns: int) -> int:
        """Return the next picture's place on the grid, leaving out places long gone."""
        due_ns = self._begun_ns + int(self._drawn * NS / self._fps)
        if now_ns - due_ns > NS / self._fps:
            self._drawn = int((now_ns - self._begun_ns) * self._fps / NS)
            due_ns = self._begun_ns + int(self._drawn * NS / self._fps)
        return due_ns

    def read(self, captured_ns: int) -> VideoFrame:
        """Draw a picture of this moment."""
        self._drawn += 1
        self._painter.paint(frame=self._count, at_ns=captured_ns, wall_ns=time.time_ns())
        self._count += 1
        return self._frame

    def set_framerate(self, fps: float) -> RawInfo:
        """Draw at another pace from the next picture on."""
        self._fps = fps
        self.begin(time.monotonic_ns())
        return self.open()

    def close(self) -> None:
        """Nothing to give back."""


def _canvas_over(frame: VideoFrame) -> Canvas:
    planes = [
        Plane(memoryview(plane), plane.line_size, plane.width, plane.height)
        for plane in frame.planes
    ]
    return Canvas(*planes)


class _Painter:
    """The picture's still parts, painted once, and its moving parts, painted per frame."""

    def __init__(self, canvas: Canvas, *, label: str) -> None:
        self._canvas = canvas
        width, height = canvas.y.width, canvas.y.height
        self._strip = marker.strip_height(height)
        self._bars_height = _even(height * 0.5)
        self._ramp_height = _even(height * 0.06)
        self._panel_y = self._bars_height + self._ramp_height
        panel_height = height - self._panel_y - self._strip
        self._margin = _even(height * 0.04)
        noise_height = _even(panel_height * 0.55)
        self._noise_size = (min(_even(noise_height * 1.3), width // 4), noise_height)
        self._noise_at = (
            width - self._margin - self._noise_size[0],
            self._panel_y + _even((panel_height - noise_height) / 2),
        )
        self._noise = _make_noise()
        self._ball = _Ball(radius=max(_even(height * 0.075), 2))
        room = self._noise_at[0] - 2 * self._margin
        self._place_text(label, room=room, panel_height=panel_height)
        self._paint_still(label)
        self._still = tuple(bytes(plane.data) for plane in (canvas.y, canvas.u, canvas.v))

    def _place_text(self, label: str, *, room: int, panel_height: int) -> None:
        unit = panel_height / 38
        big = _fit(int(unit * 1.9), columns=12, room=room)
        small = _fit(int(unit), columns=max(len(label), 22), room=room)
        self._clock_style = TextStyle(scale=big, ink=_INK, paper=_PAPER.y)
        self._small_style = TextStyle(scale=small, ink=_FAINT, paper=_PAPER.y)
        self._label_style = TextStyle(scale=small, ink=_INK, paper=_PAPER.y)
        used = 2 * self._small_style.height + self._clock_style.height
        gap = max((panel_height - used) // 4, 1)
        self._label_y = self._panel_y + gap
        self._clock_y = self._label_y + self._small_style.height + gap
        self._count_y = self._clock_y + self._clock_style.height + gap
        self._second = -1
        self._clock_text = ""

    def _paint_still(self, label: str) -> None:
        canvas, width, height = self._canvas, self._canvas.y.width, self._canvas.y.height
        edges = [_even(index * width / len(_BARS)) for index in range(len(_BARS))] + [width]
        for index, colour in enumerate(_BARS):
            canvas.fill(edges[index], 0, edges[index + 1] - edges[index], self._bars_height, colour)
        canvas.fill(0, self._bars_height, width, self._ramp_height, Colour(16))
        ramp = bytes(16 + x * 219 // max(width - 1, 1) for x in range(width))
        canvas.y.stamp(0, self._bars_height, [ramp] * self._ramp_height)
        canvas.fill(0, self._panel_y, width, height - self._panel_y, _PAPER)
        canvas.fill(0, height - self._strip, width, self._strip, Colour(16))
        canvas.fill(*self._noise_at, *self._noise_size, Colour(_NOISE_MIDDLE))
        canvas.y.stamp(self._margin, self._label_y, self._label_style.rows(label or "MQCAM"))

    def paint(self, *, frame: int, at_ns: int, wall_ns: int) -> None:
        canvas = self._canvas
        canvas.y.data[:], canvas.u.data[:], canvas.v.data[:] = self._still
        seconds = at_ns / NS
        swing = (1 + math.sin(seconds * math.tau / _BALL_PERIOD_S)) / 2
        bounce = abs(math.sin(seconds * math.pi / _BOUNCE_PERIOD_S))
        size = 2 * self._ball.radius
        x = _even((canvas.y.width - size) * swing)
        y = _even((self._bars_height - size) * (1 - bounce))
        self._ball.paint(canvas, x, y)
        self._paint_noise(frame)
        canvas.y.stamp(
            self._margin, self._clock_y, self._clock_style.rows(self._format_clock(wall_ns))
        )
        count = f"FRAME {frame:08d}  {canvas.y.width}X{canvas.y.height}"
        canvas.y.stamp(self._margin, self._count_y, self._small_style.rows(count))
        marker.draw_marker(
            canvas.y, marker.Marker(frame & 0xFFFFFF, at_ns // 1_000_000 & 0xFFFFFFFFFF)
        )

    def _paint_noise(self, frame: int) -> None:
        width, height = self._noise_size
        last = _NOISE_BYTES - width
        noise = self._noise
        starts = ((line * 7919 + frame * 10_007) % last for line in range(height))
        self._canvas.y.stamp(*self._noise_at, [noise[at : at + width] for at in starts])

    def _format_clock(self, wall_ns: int) -> str:
        second, rest_ns = divmod(wall_ns, NS)
        if second != self._second:
            self._second = second
            self._clock_text = time.strftime("%H:%M:%S", time.localtime(second))
        return f"{self._clock_text}.{rest_ns // 1_000_000:03d}"


class _Ball:
    """A shaded ball as ready rows of luma and chroma."""

    _HUE = Colour(0, 110, 176)

    def __init__(self, *, radius: int) -> None:
        self.radius = radius
        self._luma = list(_shaded_rows(radius))
        self._chroma = list(_spans(radius // 2))

    def paint(self, canvas: Canvas, x: int, y: int) -> None:
        for line, (start, row) in enumerate(self._luma, start=y):
            canvas.y.stamp(x + start, line, (row,))
        for line, (start, length) in enumerate(self._chroma, start=y // 2):
            canvas.u.stamp(x // 2 + start, line, (bytes((self._HUE.u,)) * length,))
            canvas.v.stamp(x // 2 + start, line, (bytes((self._HUE.v,)) * length,))


def _spans(radius: int) -> Sequence[tuple[int, int]]:
    """Return start and length of each row of a disk."""
    spans = []
    for line in range(2 * radius):
        half = round(math.sqrt(max(radius**2 - (line + 0.5 - radius) ** 2, 0.0)))
        spans.append((radius - half, 2 * half))
    return spans


def _shaded_rows(radius: int) -> Sequence[tuple[int, bytes]]:
    """Return start and luma of each row of a ball lit from the upper left."""
    rows = []
    for line, (start, length) in enumerate(_spans(radius)):
        down = (line + 0.5) / radius - 1
        shades = bytearray()
        for column in range(start, start + length):
            right = (column + 0.5) / radius - 1
            near = math.sqrt(max(1 - right * right - down * down, 0.0))
            light = max(0.0, -0.5 * right - 0.55 * down + 0.67 * near)
            shades.append(min(int(40 + 150 * light + 45 * light**12), 235))
        rows.append((start, bytes(shades)))
    return rows


def _make_noise() -> bytes:
    """Return grey noise, the same in each run; it keeps an encoder as busy as a real sensor."""
    source = random.Random(1)  # noqa: S311 - a picture, no secret
    low, high = _NOISE_MIDDLE - _NOISE_SPREAD, _NOISE_MIDDLE + _NOISE_SPREAD
    table = bytes(low + value * (high - low) // 255 for value in range(256))
    return source.randbytes(_NOISE_BYTES).translate(table)


def _fit(scale: int, *, columns: int, room: int) -> int:
    """Return the largest scale up to this at which so many letters fit."""
    return max(min(scale, room // (columns * 6)), 1)


def _even(value: float) -> int:
    return int(value) // 2 * 2
