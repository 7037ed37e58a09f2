"""libx264 behind picamera2 (Pi 5), by an `Encoder` of our own: picamera2's holds pictures back.

It must not know cameras. picamera2 calls `_encode` in its event loop, holding the camera's lock:
there a picture is only put into a slot, in which the newest wins. A thread of the encoder's own
copies it, gives it back to the camera, and encodes the copy.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from av.video.frame import VideoFrame

from mqcam_device.media import LOW, MAIN
from mqcam_device.sources.layer import EncodedLayer
from mqcam_device.sources.picamera.sensorclock import Growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam_device.media import LayerInfo
    from mqcam_device.sources.layer import Thinning
    from mqcam_device.sources.picamera.encoder import Ties
    from mqcam_device.sources.picamera.library import Library

NAME: Final = "libx264"

_JOIN_S: Final = 0.5
"""How long picamera2 may be held up by a thread that ends; it is a daemon and ends by itself."""


class Slot:
    """Room for one picture, shared by two threads; a newer one pushes an older one out."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._request: Any = None
        self._is_closed = False

    def put(self, request: Any) -> Any:
        """Return what has been pushed out, or the request itself once the slot is closed."""
        with self._changed:
            if self._is_closed:
                return request
            pushed_out, self._request = self._request, request
            self._changed.notify()
            return pushed_out

    def take(self) -> Any:
        """Wait for a picture; None once the slot is closed."""
        with self._changed:
            while self._request is None and not self._is_closed:
                self._changed.wait()
            request, self._request = self._request, None
            return None if self._is_closed else request

    def close(self) -> Any:
        """Let nobody wait any more; returns what was left inside."""
        with self._changed:
            self._is_closed = True
            request, self._request = self._request, None
            self._changed.notify_all()
            return request


class SoftwareEncoder:
    """A `LayerEncoder` on libx264."""

    def __init__(
        self,
        library: Library,
        info: LayerInfo,
        ties: Ties,
        *,
        bitrate_bps: int,
        matrix: int,
        thinning: Thinning | None = None,
    ) -> None:
        self._library = library
        self._ties = ties
        self._layer = EncodedLayer(info, bitrate_bps=bitrate_bps, thinning=thinning)
        self._growth = Growth()
        self._frame = VideoFrame(info.width, info.height, "yuv420p")
        self._frame.colorspace = matrix
        self._lock = threading.Lock()  # over the layer: its wishes come from other threads
        self._encoder: Any = None

    @property
    def info(self) -> LayerInfo:
        """The layer as it is now."""
        return self._layer.info

    @property
    def is_running(self) -> bool:
        """Whether pictures are encoded."""
        return self._encoder is not None

    def start(self, picamera: Any) -> None:
        """Begin to encode; raises what picamera2 raises."""
        encoder = encoder_class(self._library.encoder)(Lane(self._serve, self._ties.fail))
        stream = "main" if self.info.name == MAIN else "lores"
        picamera.start_encoder(encoder, name=stream)
        self._encoder = encoder

    def stop(self, picamera: Any) -> None:
        """End it, its thread included."""
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            picamera.stop_encoder(encoder)
            with self._lock:
                self._layer.rest()

    def request_keyframe(self) -> None:
        """Make the next picture a keyframe."""
        with self._lock:
            self._layer.request_keyframe()

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Aim for a bit rate of the layer's range."""
        with self._lock:
            self._layer.set_bitrate(bitrate_bps)

    def change_framerate(self, info: LayerInfo, thinning: Thinning | None) -> None:
        """Take a new libx264, which shares its bits out by the rate."""
        with self._lock:
            self._layer.change_framerate(info, thinning)

    def _serve(self, request: Any, stride: int) -> None:
        """Copy a picture, give it back, encode the copy; in the encoder's own thread."""
        try:
            boot_ns = int(request.get_metadata()["SensorTimestamp"])
            stream = "lores" if self.info.name == LOW else "main"
            with self._library.mapped_array(request, stream, reshape=False, write=False) as mapped:
                copy_planes(memoryview(mapped.array), stride, self._frame)
        finally:
            request.release()
        captured_ns = self._growth.next_ns(self._ties.clock.monotonic_ns(boot_ns))
        with self._lock:
            unit = self._layer.encode(self._frame, captured_ns)
        if unit is not None:
            self._ties.deliver(unit)


def copy_planes(data: memoryview, stride: int, frame: VideoFrame) -> None:
    """Copy a YUV420 picture, whose chroma rows are half as long as ``stride``, into a frame."""
    begin = 0
    for index, plane in enumerate(frame.planes):
        length = stride if index == 0 else stride // 2
        target, row_bytes = memoryview(plane), plane.line_size
        if length == row_bytes:
            target[: length * plane.height] = data[begin : begin + length * plane.height]
        else:
            width = plane.width
            for line in range(plane.height):
                at, to = begin + line * length, line * row_bytes
                target[to : to + width] = data[at : at + width]
        begin += length * plane.height


class Lane:
    """A thread that serves one picture after the other, out of a slot."""

    def __init__(
        self, serve: Callable[[Any, int], None], fail: Callable[[Exception], None]
    ) -> None:
        self._serve, self._fail = serve, fail
        self._slot = Slot()
        self._thread: threading.Thread | None = None

    def open(self, stride: int) -> None:
        """Start the thread; ``stride`` is that of the pictures."""
        self._thread = threading.Thread(target=self._run, args=(stride,), name="x264", daemon=True)
        self._thread.start()

    def put(self, request: Any) -> None:
        """Leave a picture to the thread; one that it has not begun with goes back."""
        request.acquire()
        pushed_out = self._slot.put(request)
        if pushed_out is not None:
            pushed_out.release()

    def close(self) -> None:
        """End the thread; it is left behind if it hangs in somebody's sink."""
        left = self._slot.close()
        if left is not None:
            left.release()
        if self._thread is not None:
            self._thread.join(_JOIN_S)

    def _run(self, stride: int) -> None:
        while (request := self._slot.take()) is not None:
            try:
                self._serve(request, stride)
            except Exception as error:  # noqa: BLE001 - the next picture may go well
                self._fail(error)


@cache
def encoder_class(base: Any) -> Any:
    """Return an `Encoder` of picamera2 that does nothing in picamera2's threads."""

    class LaneEncoder(base):  # type: ignore[misc]
        def __init__(self, lane: Lane) -> None:
            super().__init__()
            self._lane = lane

        def _start(self) -> None:
            self._lane.open(self.stride)

        def _stop(self) -> None:
            self._lane.close()

        def _encode(self, stream: Any, request: Any) -> None:
            del stream
            self._lane.put(request)

    return LaneEncoder
