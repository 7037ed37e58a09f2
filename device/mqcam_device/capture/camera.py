"""The capture child's camera: one source after the other, on a thread that does as it is told.

It must not know sockets: what the agent says comes as orders, what it gets goes out through
``put``. Whatever hangs here, the child's other threads go on.
"""

from __future__ import annotations

import gc
import threading
import time
from typing import TYPE_CHECKING, Final

from mqcam.errors import MqcamError, SourceError

from mqcam_device.capture import wire
from mqcam_device.capture.fuse import Fuse, blow
from mqcam_device.media import SourceState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mqcam_device.capture.orders import Order, Orders
    from mqcam_device.media import (
        AccessUnit,
        ControlValue,
        SourceSettings,
        StreamInfo,
        VideoSource,
    )

STOP_S: Final = 1.0
SLACK_S: Final = 0.2
"""A source has so long to stop, and so much longer to say that it could not."""


class Camera:
    """Owns the source. Units go on growing in number over the sources of one child."""

    def __init__(self, orders: Orders, put: Callable[[wire.Message], None]) -> None:
        self.has_failed = False
        self.source: VideoSource | None = None
        self._put = put
        self._orders = orders
        self._settings: SourceSettings | None = None
        self._settings_lock = threading.Lock()
        self._generation = 0
        self._told_generation = 0
        self._next_seq: dict[str, int] = {}
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    def obey(self, order: Order) -> None:
        """Do this soon; never blocks."""
        self._orders.put(order)

    def busy_s(self) -> float:
        """Return for how long the camera has been in its present call; 0 when it waits."""
        since = self._busy_since
        return 0.0 if since is None else time.monotonic() - since

    def remember(self, controls: Mapping[str, ControlValue]) -> None:
        """Let the source that comes after this one begin with these controls too."""
        with self._settings_lock:
            if self._settings is not None:
                self._settings = self._settings.with_controls(controls)

    def close(self) -> bool:
        """End the source and the thread; False if one of them hangs."""
        self._orders.close()
        self._thread.join(STOP_S + SLACK_S)
        return not self._thread.is_alive() and self.source is None

    def _run(self) -> None:
        try:
            while (order := self._orders.take()) is not None:
                self._busy_since = time.monotonic()
                self._do(order)
                self._busy_since = None
        except MqcamError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - the thread's last words must reach the agent
            self._fail(f"the source failed: {error!r}")
        if self.source is not None and self.source.stop(STOP_S):
            self.source = None

    def _do(self, order: Order) -> None:
        if isinstance(order, wire.Start):
            if self._settings is not None:
                raise SourceError("camera", "the agent started a source twice")
            self._settings = order.settings
            self._open()
        elif isinstance(order, wire.Reopen):
            self._close_source()
            self._open()
        elif self.source is not None:
            _tell(self.source, order)

    def _open(self) -> None:
        from mqcam_device.sources.selection import make_source  # noqa: PLC0415 - after the hello

        with self._settings_lock:
            settings = self._settings
        if settings is None:
            return
        self._generation += 1
        generation, bases = self._generation, dict(self._next_seq)
        source = make_source(settings)
        info = source.start(
            lambda unit: self._take(unit, generation, bases.get(unit.layer, 0)),
            lambda *state: self._report(generation, *state),
        )
        self.source = source
        if self._told_generation != generation:
            self._put(wire.State(state=SourceState.RUNNING, info=info))
        for order in self._orders.standing():
            _tell(source, order)

    def _close_source(self) -> None:
        """End the source; one that does not end takes the process with it."""
        source, self.source = self.source, None
        if source is None:
            return
        with Fuse(STOP_S + SLACK_S):
            has_stopped = source.stop(STOP_S)
        if not has_stopped:
            blow()
        del source
        gc.collect()  # buffers and encoders in a ring of references go before the next come

    def _take(self, unit: AccessUnit, generation: int, base: int) -> None:
        if generation != self._generation:
            return
        unit.seq += base
        self._next_seq[unit.layer] = unit.seq + 1
        self._put(unit)

    def _report(
        self, generation: int, state: SourceState, info: StreamInfo | None, text: str
    ) -> None:
        if generation != self._generation:
            return
        if state is SourceState.FAILED:
            self._fail(text)
        else:
            if state is SourceState.RUNNING and info is not None:
                self._told_generation = generation
            self._put(wire.State(state=state, info=info, text=text))

    def _fail(self, text: str) -> None:
        self.has_failed = True  # the agent reads it and hangs up
        self._put(wire.State(state=SourceState.FAILED, text=text))


def _tell(source: VideoSource, order: Order) -> None:
    if isinstance(order, wire.Activate):
        (source.resume if order.active else source.pause)(order.layer)
    elif isinstance(order, wire.Keyframe):
        source.request_keyframe(order.layer)
    elif isinstance(order, wire.Bitrate):
        source.set_bitrate(order.bitrate_bps, order.layer)
    elif isinstance(order, wire.Framerate):
        source.set_framerate(order.fps)
