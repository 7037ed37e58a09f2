"""The Raspberry Pi's H.264 encoder, /dev/video11, as picamera2's own V4L2Encoder meets it.

It takes the ioctls of V4L2's memory-to-memory devices. libx264 stands in for the VideoCore, by way
of our own encoder because that one holds a bit rate. It must not know picamera2.
"""

from __future__ import annotations

import collections
import errno
import mmap
import os
import select
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import videodev2 as v4l2
from av.video.frame import VideoFrame
from mqcam import h264
from mqcam_device.x264 import X264

if TYPE_CHECKING:
    from fakes.scene import Stage

CODEC: Final = "bcm2835-codec-encode"

PICTURES = v4l2.V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE
UNITS = v4l2.V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE

CONTROLS: Final[dict[int, tuple[str, int, int, int, int]]] = {
    getattr(v4l2, f"V4L2_CID_{name}"): (name, *limits)
    for name, limits in {
        "MPEG_VIDEO_BITRATE": (25_000, 25_000_000, 25_000, 10_000_000),
        "MPEG_VIDEO_FORCE_KEY_FRAME": (0, 1, 1, 0),
        "MPEG_VIDEO_H264_I_PERIOD": (0, 2**31 - 1, 1, 60),
        "MPEG_VIDEO_H264_LEVEL": (0, 15, 1, 11),
        "MPEG_VIDEO_H264_MAX_QP": (0, 51, 1, 51),
        "MPEG_VIDEO_H264_MIN_QP": (0, 51, 1, 20),
        "MPEG_VIDEO_H264_PROFILE": (0, 4, 1, 4),
        "MPEG_VIDEO_REPEAT_SEQ_HEADER": (0, 1, 1, 0),
    }.items()
}
"""The controls of the bcm2835-codec driver: name, least, greatest, step, default."""

BITRATE = v4l2.V4L2_CID_MPEG_VIDEO_BITRATE
KEYFRAME = v4l2.V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME
I_PERIOD = v4l2.V4L2_CID_MPEG_VIDEO_H264_I_PERIOD
REPEAT = v4l2.V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER
SMALLEST_CEILING_BPS = 4_000_000
LARGEST_BPS = 25_000_000
FPS = 30.0


@dataclass(slots=True)
class Picture:
    """A picture that waits to be encoded, in the camera's own memory."""

    index: int
    fd: int
    length: int
    time_us: int


@dataclass(slots=True)
class Unit:
    """An encoded picture that waits in its buffer to be taken."""

    index: int
    length: int
    time_us: int
    is_keyframe: bool


class Video11:
    """One opening of the device."""

    def __init__(self, memory: int, card: str, stage: Stage) -> None:
        self._memory, self._card, self._stage = memory, card, stage
        self._opened_ns = time.monotonic_ns()
        self._controls = {number: known[4] for number, known in CONTROLS.items()}
        self._size, self._stride, self._unit_bytes = (0, 0), 0, 512 << 10
        self._changed = threading.Condition()
        self._pictures: collections.deque[Picture] = collections.deque()
        self._encoded: collections.deque[int] = collections.deque()
        self._free: collections.deque[int] = collections.deque()
        self._units: collections.deque[Unit] = collections.deque()
        self._encoder: X264 | None = None
        self._since_keyframe = 0
        self._is_streaming = False
        self._thread: threading.Thread | None = None
        self._calls = {
            v4l2.VIDIOC_QUERYCAP: self._query_capabilities,
            v4l2.VIDIOC_S_CTRL: self._set_control,
            v4l2.VIDIOC_G_CTRL: self._get_control,
            v4l2.VIDIOC_S_EXT_CTRLS: self._set_controls,
            v4l2.VIDIOC_S_FMT: self._set_format,
            v4l2.VIDIOC_S_PARM: lambda argument: None,
            v4l2.VIDIOC_REQBUFS: self._request_buffers,
            v4l2.VIDIOC_QUERYBUF: self._query_buffer,
            v4l2.VIDIOC_QBUF: self._queue,
            v4l2.VIDIOC_DQBUF: self._dequeue,
            v4l2.VIDIOC_STREAMON: self._stream_on,
            v4l2.VIDIOC_STREAMOFF: self._stream_off,
        }

    @property
    def is_held(self) -> bool:
        """Whether the encoder keeps what it gets, as one that froze."""
        return self._opened_ns < self._stage.scene.encoder_held_before_ns

    def ioctl(self, request: int, argument: Any) -> int:
        call = self._calls.get(request)
        if call is None:
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        call(argument)
        return 0

    def ready(self, timeout_s: float) -> int:
        """Return what `poll` would, after at most that time."""
        with self._changed:
            self._changed.wait_for(lambda: self._encoded or self._units, timeout_s)
            pictures = select.POLLOUT if self._encoded else 0
            return pictures | (select.POLLIN if self._units else 0)

    def close(self) -> None:
        self._stream_off(None)

    def _query_capabilities(self, argument: Any) -> None:
        argument.card[:] = self._card.encode().ljust(len(argument.card), b"\0")

    def _set_control(self, argument: Any) -> None:
        if argument.id not in CONTROLS:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        name, least, most, step, _ = CONTROLS[argument.id]
        value = min(max(argument.value, least), most)
        argument.value = least + round((value - least) / step) * step
        self._stage.tell("encoder control", control=name, value=argument.value)
        with self._changed:
            self._controls[argument.id] = argument.value

    def _get_control(self, argument: Any) -> None:
        argument.value = self._controls[argument.id]

    def _set_controls(self, argument: Any) -> None:
        for index in range(argument.count):
            self._set_control(argument.controls[index])

    def _set_format(self, argument: Any) -> None:
        wanted = argument.fmt.pix_mp
        if argument.type == UNITS:
            self._unit_bytes = wanted.plane_fmt[0].sizeimage
            return
        if wanted.pixelformat != v4l2.V4L2_PIX_FMT_YUV420:
            raise OSError(errno.EINVAL, "this one encodes YUV420 only")
        self._size = (wanted.width, wanted.height)
        self._stride = wanted.plane_fmt[0].bytesperline

    def _request_buffers(self, argument: Any) -> None:
        if argument.type == UNITS:
            os.ftruncate(self._memory, argument.count * self._unit_bytes)

    def _query_buffer(self, argument: Any) -> None:
        argument.m.planes[0].length = self._unit_bytes
        argument.m.planes[0].m.mem_offset = argument.index * self._unit_bytes

    def _queue(self, argument: Any) -> None:
        with self._changed:
            if argument.type == UNITS:
                self._free.append(argument.index)
            else:
                plane, stamp = argument.m.planes[0], argument.timestamp
                time_us = stamp.tv_sec * 1_000_000 + stamp.tv_usec
                self._pictures.append(Picture(argument.index, plane.m.fd, plane.length, time_us))
            self._changed.notify_all()

    def _dequeue(self, argument: Any) -> None:
        with self._changed:
            waiting = self._units if argument.type == UNITS else self._encoded
            if not waiting:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            if argument.type == PICTURES:
                argument.index = self._encoded.popleft()
                return
            unit = self._units.popleft()
        argument.index = unit.index
        argument.flags = v4l2.V4L2_BUF_FLAG_KEYFRAME if unit.is_keyframe else 0
        argument.m.planes[0].bytesused = unit.length
        argument.m.planes[0].length = self._unit_bytes
        argument.timestamp.tv_sec, argument.timestamp.tv_usec = divmod(unit.time_us, 1_000_000)

    def _stream_on(self, argument: Any) -> None:
        if self._thread is not None:
            return
        self._is_streaming = True
        self._stage.tell("encoder start", size=self._size, stride=self._stride)
        self._thread = threading.Thread(target=self._run, name="fake-video11", daemon=True)
        self._thread.start()

    def _stream_off(self, argument: Any) -> None:
        thread = self._thread
        if thread is None:
            return
        with self._changed:
            self._is_streaming = False
            self._changed.notify_all()
        thread.join()
        self._thread = None
        for queue in (self._pictures, self._encoded, self._free, self._units):
            queue.clear()
        self._stage.tell("encoder stop")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._may_go_on)
                if not self._is_streaming:
                    return
                if self.is_held:
                    self._pictures.popleft()  # and never gives it back
                    continue
                picture, index = self._pictures.popleft(), self._free.popleft()
                is_forced, self._controls[KEYFRAME] = bool(self._controls[KEYFRAME]), 0
                bitrate_bps = self._controls[BITRATE]
            data = self._encode(picture, bitrate_bps, is_forced=is_forced)
            is_keyframe = h264.is_keyframe(data)
            os.pwrite(self._memory, data, index * self._unit_bytes)
            with self._changed:
                self._encoded.append(picture.index)
                self._units.append(Unit(index, len(data), picture.time_us, is_keyframe))
                self._changed.notify_all()

    def _may_go_on(self) -> bool:
        return not self._is_streaming or bool(self._pictures and self._free)

    def _encode(self, picture: Picture, bitrate_bps: int, *, is_forced: bool) -> bytes:
        is_first = self._encoder is None
        encoder = self._prepare(bitrate_bps)
        self._since_keyframe += 1
        if is_forced or 0 < self._controls[I_PERIOD] <= self._since_keyframe:
            encoder.request_keyframe()
            self._since_keyframe = 0
        width, height = self._size
        with mmap.mmap(picture.fd, picture.length, prot=mmap.PROT_READ) as memory:
            pixels = np.frombuffer(memory, np.uint8, self._stride * height * 3 // 2).copy()
        rows = pixels.reshape(height * 3 // 2, self._stride)
        frame = VideoFrame.from_numpy_buffer(rows, format="yuv420p", width=width)
        data = encoder.encode(frame, picture.time_us * 1000)
        if is_first or self._controls[REPEAT]:
            return data
        parameter_sets = {h264.SPS, h264.PPS}
        nals = [nal for nal in h264.iterate_nals(data) if h264.nal_type(nal) not in parameter_sets]
        return b"".join(b"\0\0\0\1" + bytes(nal) for nal in nals)

    def _prepare(self, bitrate_bps: int) -> X264:
        """Return the encoder, set to a bit rate; a new one where that is above its ceiling."""
        if self._encoder is None or bitrate_bps > self._encoder.max_bitrate_bps:
            ceiling_bps = min(max(4 * bitrate_bps, SMALLEST_CEILING_BPS), LARGEST_BPS)
            width, height = self._size
            self._encoder = X264(
                width=width,
                height=height,
                fps=FPS,
                bitrate_bps=bitrate_bps,
                max_bitrate_bps=ceiling_bps,
            )
            self._since_keyframe = 0
        elif bitrate_bps != self._encoder.bitrate_bps:
            self._encoder.set_bitrate(bitrate_bps)
        return self._encoder
