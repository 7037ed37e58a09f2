"""Encode a raw source with x264: pictures are made only while somebody looks.

It must not know where units go; the sink takes them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import av
from av.video.reformatter import ColorRange
from mqcam.errors import MqcamError, SourceError
from mqcam.h264 import Normaliser

from mqcam_device.media import AccessUnit, SourceState, StreamInfo
from mqcam_device.sources.raw import NS, matrix_of
from mqcam_device.x264 import MIN_BITRATE_BPS, X264, probe_profile_level_id

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

    from mqcam_device.media import Sink, SourceSettings, StateListener
    from mqcam_device.sources.raw import RawInfo, RawSource

_FPS_RANGE = (1.0, 120.0)
_JPEG_QUALITY = 4


@dataclass(slots=True)
class _Wishes:
    """What callers asked for and the source's thread has yet to do."""

    active: bool = False
    keyframe: bool = False
    bitrate_bps: int | None = None
    fps: float | None = None
    snapshot: bool = False
    stop: bool = False


class EncodedSource:
    """A `VideoSource` with one thread that paces, draws or decodes, and encodes."""

    def __init__(self, raw: RawSource, settings: SourceSettings) -> None:
        self._raw = raw
        self._settings = settings
        self._bitrate_bps = settings.bitrate_bps
        self._wishes = _Wishes()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._normaliser = Normaliser()
        self._encoder: X264 | None = None
        self._seq = 0
        self._picture: bytes | SourceError | None = None

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        """Open the source, paused; raises SourceError."""
        self._sink, self._on_state = sink, on_state
        raw_info = self._raw.open()
        self._info = self._describe(
            raw_info,
            profile_level_id=probe_profile_level_id(
                width=raw_info.width,
                height=raw_info.height,
                fps=raw_info.fps_max,
                max_bitrate_bps=self._settings.max_bitrate_bps,
            ),
        )
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()
        return self._info

    def resume(self) -> None:
        """Make and encode pictures; the next unit is a keyframe."""
        self._wish(active=True, keyframe=True)

    def pause(self) -> None:
        """Rest: no drawing, no decoding, no encoding."""
        self._wish(active=False)

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe."""
        self._wish(keyframe=True)
        return True

    def set_bitrate(self, bitrate_bps: int) -> int:
        """Aim for a bit rate from the next picture on; returns it within the range."""
        bitrate_bps = min(max(bitrate_bps, MIN_BITRATE_BPS), self._settings.max_bitrate_bps)
        self._wish(bitrate_bps=bitrate_bps)
        return bitrate_bps

    def set_framerate(self, fps: float) -> float:
        """Cap the frame rate; costs a new encoder, hence a keyframe."""
        fps = min(max(fps, _FPS_RANGE[0]), _FPS_RANGE[1])
        self._wish(fps=fps)
        return fps

    def snapshot(self, timeout_s: float) -> bytes:
        """Return the next picture as JPEG, even while paused; raises SourceError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._picture = None
            self._wishes.snapshot = True
            self._changed.notify_all()
            while self._picture is None:
                if not self._changed.wait(max(deadline - time.monotonic(), 0.0)):
                    raise SourceError("snapshot", f"no picture came within {timeout_s:g} s")
            if isinstance(self._picture, SourceError):
                raise self._picture
            return self._picture

    def stop(self, timeout_s: float) -> bool:
        """End the thread; False if it hangs (in its sink, say) beyond the time-out."""
        self._wish(stop=True)
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _wish(self, **changes: bool | float | None) -> None:
        with self._changed:
            for name, value in changes.items():
                setattr(self._wishes, name, value)
            self._changed.notify_all()

    def _describe(self, raw: RawInfo, *, profile_level_id: str) -> StreamInfo:
        return StreamInfo(
            width=raw.width,
            height=raw.height,
            fps_min=raw.fps_min,
            fps_max=raw.fps_max,
            profile_level_id=profile_level_id,
            can_force_keyframe=True,
            bitrate_range_bps=(MIN_BITRATE_BPS, self._settings.max_bitrate_bps),
            encoder="libx264",
        )

    def _run(self) -> None:
        try:
            while self._wait_for_work():
                self._raw.begin(time.monotonic_ns())
                self._play()
        except MqcamError as error:
            self._on_state(SourceState.FAILED, None, str(error))
        except Exception as error:  # noqa: BLE001 - the thread's last words must reach the agent
            self._on_state(SourceState.FAILED, None, f"the source failed: {error!r}")
        finally:
            self._encoder = None
            self._raw.close()

    def _wait_for_work(self) -> bool:
        """Sleep while nobody looks; False when the source is to end."""
        with self._changed:
            while not (self._wishes.active or self._wishes.snapshot or self._wishes.stop):
                self._encoder = None  # an idle camera needs no encoder's memory
                self._changed.wait()
            return not self._wishes.stop

    def _play(self) -> None:
        """Show pictures at their time until paused or stopped."""
        while self._wait_until(self._raw.due_ns(time.monotonic_ns())):
            captured_ns = time.monotonic_ns()
            frame = self._raw.read(captured_ns)
            with self._changed:
                wishes = self._wishes
                self._wishes = _Wishes(active=wishes.active, stop=wishes.stop)
            if wishes.snapshot:
                self._answer_snapshot(frame)
            self._apply(wishes)
            if wishes.active:
                self._encode(frame, captured_ns, is_keyframe_wanted=wishes.keyframe)

    def _wait_until(self, due_ns: int) -> bool:
        with self._changed:
            while not self._wishes.stop and (self._wishes.active or self._wishes.snapshot):
                rest_s = (due_ns - time.monotonic_ns()) / NS
                if rest_s <= 0:
                    return True
                self._changed.wait(rest_s)
        return False

    def _apply(self, wishes: _Wishes) -> None:
        if wishes.fps is not None:
            self._change_framerate(wishes.fps)
        if wishes.bitrate_bps is not None:
            self._bitrate_bps = wishes.bitrate_bps

    def _encode(self, frame: VideoFrame, captured_ns: int, *, is_keyframe_wanted: bool) -> None:
        if self._encoder is None:
            self._encoder = X264(
                width=self._info.width,
                height=self._info.height,
                fps=self._info.fps_max,
                bitrate_bps=self._bitrate_bps,
                max_bitrate_bps=self._settings.max_bitrate_bps,
                matrix=matrix_of(frame),
            )
        if self._encoder.bitrate_bps != self._bitrate_bps:
            self._bitrate_bps = self._encoder.set_bitrate(self._bitrate_bps)
        if is_keyframe_wanted:
            self._encoder.request_keyframe()
        normal = self._normaliser.normalise(self._encoder.encode(frame, captured_ns))
        if normal is None:
            return
        data, is_keyframe = normal
        self._sink(AccessUnit(data, captured_ns, is_keyframe, self._seq))
        self._seq += 1

    def _change_framerate(self, fps: float) -> None:
        """Take a new encoder: x264 shares its bits out by the frame rate it was opened with."""
        raw_info = self._raw.set_framerate(fps)
        self._encoder = None
        self._info = self._describe(raw_info, profile_level_id=self._info.profile_level_id)
        self._on_state(SourceState.RUNNING, self._info, "")

    def _answer_snapshot(self, frame: VideoFrame) -> None:
        picture: bytes | SourceError
        try:
            picture = _encode_jpeg(frame)
        except (av.FFmpegError, ValueError, KeyError) as error:
            picture = SourceError("snapshot", f"the picture cannot be encoded: {error!r}")
        with self._changed:
            self._picture = picture
            self._changed.notify_all()


def _encode_jpeg(frame: VideoFrame) -> bytes:
    full_range = frame.reformat(format="yuvj420p", dst_color_range="JPEG")  # PyAV 14: no enum
    context = av.VideoCodecContext.create("mjpeg", "w")
    context.width, context.height, context.pix_fmt = frame.width, frame.height, "yuvj420p"
    context.time_base = Fraction(1, 25)
    context.color_range = ColorRange.JPEG
    context.options = {"qmin": "2", "qmax": str(_JPEG_QUALITY)}
    full_range.pts = 0
    return b"".join(bytes(packet) for packet in context.encode(full_range))
