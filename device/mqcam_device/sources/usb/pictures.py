"""A USB camera's motion JPEG or raw pictures, decoded to be encoded here.

It must not know encoders or viewers. A thread of its own takes every picture from the driver, so
that an encoder that is too slow leaves pictures out and never falls behind.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import av
from av.packet import Packet
from mqcam.errors import SourceError

from mqcam_device.media import BT601
from mqcam_device.sources.feed import Bell
from mqcam_device.sources.raw import NS, RawInfo
from mqcam_device.sources.slew import CameraClock
from mqcam_device.sources.usb.device import TICKS_HZ, UsbDevice
from mqcam_device.sources.usb.upright import Upright

if TYPE_CHECKING:
    from collections.abc import Callable

    from av.video.frame import VideoFrame

    from mqcam_device.media import SourceSettings
    from mqcam_device.sources.usb.cameras import Mode
    from mqcam_device.sources.usb.device import Host

POLL_S: Final = 0.1
LEAVE_S: Final = 1.0
GARBAGE_S: Final = 1.0
"""Pictures that cannot be decoded for so long are a fault."""

SPARE_PIXELS: Final = 2
"""A picture has at most so many times its mode's pixels: a small packet may claim to be 16000 wide,
and a decoder would take the memory for that."""

_UNSPECIFIED: Final = 2


class UsbPictures:
    """A `LiveRaw` of a camera that delivers motion JPEG or YUYV."""

    def __init__(self, settings: SourceSettings, host: Host) -> None:
        self._settings = settings
        self._device = UsbDevice(settings, host)
        self._bell = Bell()
        self._changed = threading.Condition()
        self._wake: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None
        self._newest: tuple[bytes, int] | None = None
        self._error: SourceError | None = None
        self._wanted_at = time.monotonic()
        self._cap_fps = settings.fps
        self._due_ns = 0
        self.captured_ns = 0

    def listen(self, wake: Callable[[], None]) -> None:
        """Call when a picture has come that nobody waited behind."""
        self._wake = wake

    def open(self) -> RawInfo:
        """Begin to capture; raises SourceError."""
        self._device.open()
        self._begin_to_grab()
        return self._describe()

    def begin(self, now_ns: int) -> None:
        """Wake the camera if it rests; raises SourceError if it is gone."""
        self._wanted_at = now_ns / NS
        if self._thread is None or not self._thread.is_alive():
            self._end_grabbing()
            self._device.open()
            self._begin_to_grab()
        self._bell.ring()

    def due_ns(self, now_ns: int) -> int:
        """Return now if there is a picture, else when to look again; raises SourceError."""
        self._wanted_at = now_ns / NS
        with self._changed:
            if self._error is not None:
                raise self._error
            return now_ns if self._newest else now_ns + int(POLL_S * NS)

    def read(self, captured_ns: int) -> VideoFrame:
        """Return the newest picture, decoded; `captured_ns` says then when it was taken."""
        until = captured_ns / NS + GARBAGE_S
        while True:
            data, self.captured_ns = self._take(until)
            try:
                frames = self._decoder.decode(Packet(data))
            except (av.FFmpegError, ValueError):
                continue  # damaged on the cable: the next one
            for frame in frames:
                if frame.colorspace == _UNSPECIFIED:
                    frame.colorspace = BT601  # the Video Class' default (UVC 1.5, 3.9.2.6)
                return self._upright.turn(frame)

    def set_framerate(self, fps: float) -> RawInfo:
        """Leave pictures out above this rate."""
        self._cap_fps = fps
        return self._describe()

    def close(self) -> None:
        """Let the camera go."""
        self._end_grabbing()

    def _describe(self) -> RawInfo:
        fps = min(self._device.fps, self._cap_fps)
        mode = self._device.mode
        fps_min = min(self._settings.fps_min or fps, fps)
        return RawInfo(width=mode.width, height=mode.height, fps_min=fps_min, fps_max=fps)

    def _take(self, until: float) -> tuple[bytes, int]:
        with self._changed:
            while self._newest is None:
                left_s = until - time.monotonic()
                if self._error is not None:
                    raise self._error
                if left_s <= 0 or not self._changed.wait(left_s):
                    raise SourceError(self._device.name, "its pictures are damaged")
            newest, self._newest = self._newest, None
            return newest

    def _begin_to_grab(self) -> None:
        self._decoder = _decoder_for(self._device.mode)
        self._upright = Upright(hflip=self._settings.hflip, vflip=self._settings.vflip)
        self._error, self._newest, self._due_ns = None, None, 0
        self._bell = Bell()
        self._bell.open()
        self._thread = threading.Thread(target=self._grab_for_ever, name="grabber", daemon=True)
        self._thread.start()

    def _end_grabbing(self) -> None:
        thread, self._thread = self._thread, None
        self._bell.ring(is_last=True)
        if thread is not None:
            thread.join(LEAVE_S)
            if thread.is_alive():
                return  # it hangs in the driver and keeps the descriptors
        self._bell.close()

    def _grab_for_ever(self) -> None:
        clock = CameraClock(rate_hz=TICKS_HZ, is_own=True)
        try:
            while not self._bell.is_last:
                if self._is_idle_for_long():
                    self._rest()
                    continue
                read = self._device.read(POLL_S, self._bell)
                if read is not None:
                    data, timestamp = read
                    self._put(data, clock.captured_ns(timestamp, time.monotonic_ns()))
        except SourceError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the thread's last words must reach the source
            self._fail(SourceError(self._device.name, f"it failed ({type(error).__name__})"))
        finally:
            self._device.close()

    def _put(self, data: bytes, captured_ns: int) -> None:
        """Keep the newest picture only; those above the wanted rate are not even decoded."""
        interval_ns = int(NS / self._cap_fps)
        if captured_ns < self._due_ns - interval_ns // 4:
            return
        self._due_ns = max(self._due_ns + interval_ns, captured_ns)
        with self._changed:
            is_awaited = self._newest is None
            self._newest = (data, captured_ns)
            self._changed.notify_all()
        if is_awaited:
            self._wake()

    def _fail(self, error: SourceError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()
        self._wake()

    def _is_idle_for_long(self) -> bool:
        after_s = self._settings.idle_stop_s
        return after_s is not None and time.monotonic() - self._wanted_at > after_s

    def _rest(self) -> None:
        """Close the camera until somebody looks."""
        self._device.close()
        while self._is_idle_for_long() and not self._bell.is_last:
            self._bell.wait(POLL_S)
        if not self._bell.is_last:
            self._device.open()


def _decoder_for(mode: Mode) -> av.VideoCodecContext:
    is_jpeg = mode.format == "mjpeg"
    context = av.CodecContext.create("mjpeg" if is_jpeg else "rawvideo", "r")
    if not isinstance(context, av.VideoCodecContext):
        raise SourceError("usb", "this PyAV has no decoder for it; install PyAV's own wheel")
    context.thread_count = 1  # each thread would hold a picture back
    context.options = {"max_pixels": str(SPARE_PIXELS * mode.width * mode.height)}
    if not is_jpeg:
        context.width, context.height, context.pix_fmt = mode.width, mode.height, mode.format
    return context
