"""A source of video from a raw one: pictures are made only while somebody looks at a layer.

It must not know where units go; the sink takes them.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import av
from mqcam.errors import MqcamError, SourceError

from mqcam_device.media import (
    LOW,
    LOW_MAX_BITRATE_BPS,
    MAIN,
    MIN_BITRATE_BPS,
    SourceState,
    StreamInfo,
)
from mqcam_device.sources.delivery import Delivery
from mqcam_device.sources.jpeg import encode_jpeg
from mqcam_device.sources.layer import (
    LOW_BITRATE_BPS,
    EncodedLayer,
    low_layer,
    thinning_of,
)
from mqcam_device.sources.raw import NS, LiveRaw
from mqcam_device.x264 import probe_profile_level_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from av.video.frame import VideoFrame

    from mqcam_device.media import (
        ControlInfo,
        ControlValue,
        Sink,
        SourceSettings,
        StateListener,
    )
    from mqcam_device.sources.raw import RawInfo, RawSource

_FPS_RANGE = (1.0, 120.0)
_LAYERS = (MAIN, LOW)
"""In the order in which a picture is encoded: MAIN does not wait for the other."""


@dataclass(slots=True)
class _LayerWishes:
    """What callers asked of one layer and the source's thread has yet to do."""

    active: bool = False
    keyframe: bool = False
    bitrate_bps: int | None = None


@dataclass(slots=True)
class _Wishes:
    """What callers asked of the source and its thread has yet to do."""

    layers: dict[str, _LayerWishes] = field(
        default_factory=lambda: {name: _LayerWishes() for name in _LAYERS}
    )
    fps: float | None = None
    snapshot: bool = False
    stop: bool = False

    @property
    def active(self) -> bool:
        return any(layer.active for layer in self.layers.values())

    def take(self) -> _Wishes:
        """Return what is asked once, and keep what holds on."""
        taken = _Wishes(
            layers={name: replace(layer) for name, layer in self.layers.items()},
            fps=self.fps,
            snapshot=self.snapshot,
            stop=self.stop,
        )
        self.fps, self.snapshot = None, False
        for layer in self.layers.values():
            layer.keyframe, layer.bitrate_bps = False, None
        return taken


class EncodedSource:
    """A `VideoSource` with one thread that paces, draws or decodes, and encodes."""

    def __init__(self, raw: RawSource, settings: SourceSettings) -> None:
        self._raw = raw
        self._settings = settings
        self._wishes = _Wishes()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._layers: dict[str, EncodedLayer] = {}
        self._picture: bytes | SourceError | None = None
        self._live = raw if isinstance(raw, LiveRaw) else None
        self._has_come = False
        if self._live is not None:
            self._live.listen(self._note_picture)

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        """Open the source, paused; raises SourceError."""
        self._delivery, self._on_state = Delivery(sink, on_state), on_state
        raw_info = self._raw.open()
        try:
            info = self._announce(raw_info)
        except BaseException:
            self._raw.close()  # there will be no thread that does
            raise
        rates_bps = {MAIN: self._settings.bitrate_bps, LOW: LOW_BITRATE_BPS}
        self._layers = {
            layer.name: EncodedLayer(
                layer, bitrate_bps=rates_bps[layer.name], thinning=thinning_of(layer, info)
            )
            for layer in info.layers
        }
        self._info = info
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()
        return info

    def resume(self, layer: str = MAIN) -> None:
        """Make and encode pictures; the layer's next unit is a keyframe."""
        self._wish(layer, active=True, keyframe=True)

    def pause(self, layer: str = MAIN) -> None:
        """Rest a layer; with the last one drawing and decoding rest too."""
        self._wish(layer, active=False)

    def request_keyframe(self, layer: str = MAIN) -> bool:
        """Make the layer's next picture a keyframe."""
        return self._wish(layer, keyframe=True)

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        """Aim for a bit rate from the next picture on; returns it within the layer's range."""
        most_bps = self._settings.max_bitrate_bps
        if layer == LOW:
            most_bps = min(LOW_MAX_BITRATE_BPS, most_bps)
        bitrate_bps = max(min(bitrate_bps, most_bps), MIN_BITRATE_BPS)
        return bitrate_bps if self._wish(layer, bitrate_bps=bitrate_bps) else 0

    def set_framerate(self, fps: float) -> float:
        """Cap the frame rate; costs new encoders, hence keyframes."""
        fps = min(max(fps, _FPS_RANGE[0]), _FPS_RANGE[1])
        with self._changed:
            self._wishes.fps = fps
            self._changed.notify_all()
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

    def controls(self) -> tuple[ControlInfo, ...]:
        """Return nothing: a raw source has no controls."""
        return ()

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Refuse; raises SourceError."""
        for name in values:
            raise SourceError(name, "this source has no such control")

    def stop(self, timeout_s: float) -> bool:
        """End the thread; False if it hangs (in its sink, say) beyond the time-out."""
        with self._changed:
            self._wishes.stop = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
            return not self._thread.is_alive()
        return True

    def _wish(self, layer: str, **changes: bool | int) -> bool:
        """Note wishes for a layer; False if there is no such layer."""
        with self._changed:
            wishes = self._wishes.layers.get(layer)
            if wishes is None:
                return False
            for name, value in changes.items():
                setattr(wishes, name, value)
            self._changed.notify_all()
            return True

    def _announce(self, raw_info: RawInfo) -> StreamInfo:
        """Return what will be delivered; raises SourceError when it cannot be encoded."""
        profile_level_id = probe_profile_level_id(
            width=raw_info.width,
            height=raw_info.height,
            fps=raw_info.fps_max,
            max_bitrate_bps=self._settings.max_bitrate_bps,
        )
        return self._describe(raw_info, profile_level_id=profile_level_id)

    def _describe(self, raw: RawInfo, *, profile_level_id: str) -> StreamInfo:
        ceiling_bps = self._settings.max_bitrate_bps
        info = StreamInfo(
            width=raw.width,
            height=raw.height,
            fps_min=raw.fps_min,
            fps_max=raw.fps_max,
            profile_level_id=profile_level_id,
            can_force_keyframe=True,
            bitrate_range_bps=(MIN_BITRATE_BPS, max(ceiling_bps, MIN_BITRATE_BPS)),
            encoder="libx264",
            rotation=self._settings.rotation,
        )
        main = info.layers[0]
        return replace(info, smaller=(low_layer(main, max_bitrate_bps=ceiling_bps),))

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
            self._rest()
            self._raw.close()

    def _wait_for_work(self) -> bool:
        """Sleep while nobody looks; False when the source is to end."""
        with self._changed:
            while not (self._wishes.active or self._wishes.snapshot or self._wishes.stop):
                self._rest()
                if self._has_come:  # or a fault, of which we must tell although nobody looks
                    self._has_come = False
                    self._raw.due_ns(time.monotonic_ns())
                self._changed.wait()
            return not self._wishes.stop

    def _play(self) -> None:
        """Show pictures at their time until paused or stopped."""
        while self._wait_for_picture():
            captured_ns = time.monotonic_ns()
            frame = self._raw.read(captured_ns)
            if self._live is not None:
                captured_ns = self._live.captured_ns
            with self._changed:
                wishes = self._wishes.take()
            if wishes.snapshot:
                self._answer_snapshot(frame)
            if wishes.fps is not None:
                self._change_framerate(wishes.fps)
            for name, layer in self._layers.items():
                self._serve(layer, wishes.layers[name], frame, captured_ns)

    def _serve(
        self, layer: EncodedLayer, wishes: _LayerWishes, frame: VideoFrame, captured_ns: int
    ) -> None:
        if wishes.bitrate_bps is not None:
            layer.set_bitrate(wishes.bitrate_bps)
        if not wishes.active:
            layer.rest()
            return
        if wishes.keyframe:
            layer.request_keyframe()
        unit = layer.encode(frame, captured_ns)
        if unit is not None:
            self._delivery.hand_over(unit, self._info)

    def _rest(self) -> None:
        """Let all encoders go: an idle camera needs not their memory."""
        for layer in self._layers.values():
            layer.rest()

    def _wait_for_picture(self) -> bool:
        """Sleep until a picture is due; False when nobody wants one any more."""
        while True:
            due_ns = self._raw.due_ns(time.monotonic_ns())
            with self._changed:
                while not self._has_come:
                    if self._wishes.stop or not (self._wishes.active or self._wishes.snapshot):
                        return False
                    rest_s = (due_ns - time.monotonic_ns()) / NS
                    if rest_s <= 0:
                        return True
                    self._changed.wait(rest_s)
                self._has_come = False

    def _note_picture(self) -> None:
        """Let the thread look again; called by a live source's own."""
        with self._changed:
            self._has_come = True
            self._changed.notify_all()

    def _change_framerate(self, fps: float) -> None:
        raw_info = self._raw.set_framerate(fps)
        self._info = self._describe(raw_info, profile_level_id=self._info.profile_level_id)
        for layer in self._info.layers:
            self._layers[layer.name].change_framerate(layer, thinning_of(layer, self._info))
        self._on_state(SourceState.RUNNING, self._info, "")

    def _answer_snapshot(self, frame: VideoFrame) -> None:
        picture: bytes | SourceError
        try:
            picture = encode_jpeg(frame)
        except (av.FFmpegError, ValueError, KeyError) as error:
            picture = SourceError("snapshot", f"the picture cannot be encoded: {error!r}")
        with self._changed:
            self._picture = picture
            self._changed.notify_all()
