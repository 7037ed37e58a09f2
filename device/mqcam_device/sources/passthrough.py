"""A source whose camera encodes by itself: its pictures are passed on, and kept from a keyframe on.

Where a camera cannot be asked for a keyframe, a viewer would wait for its next one: so the pictures
since the last one are kept while nobody looks, and come first when somebody does. The source
reconnects by itself, says so, and never ends but for a stream that no viewer could show. It must
not know which cameras there are.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from mqcam.errors import SourceError

from mqcam_device.group import Group
from mqcam_device.media import MAIN, AccessUnit, SourceState, StreamInfo
from mqcam_device.sources.delivery import Delivery
from mqcam_device.sources.feed import Bell
from mqcam_device.sources.intake import Intake, Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mqcam_device.media import (
        ControlInfo,
        ControlValue,
        Sink,
        SourceSettings,
        StateListener,
    )
    from mqcam_device.sources.feed import Feed

KEPT_S: Final = 8.0
KEPT_BYTES: Final = 2_000_000
"""Bounds of what is kept. Beyond them nothing is, up to the camera's next keyframe. The agent takes
a burst of ten seconds' worth of pictures for a fault."""

BURST_SPEED: Final = 5.0
"""What was kept goes out so many times as fast as it was taken: viewers get it four times as fast,
and the queue to the agent, of 30 units, outlives a moment in which it does not read."""

OWED_UNITS: Final = 1000
"""As many pictures as ever wait to go out: all that may be kept, at 120 a second. One leaves each
time that we read, so that a camera that sends several at once, for long, has sent too many: they
are left out up to its next keyframe."""

START_S: Final = 8.0
"""Below the time that the agent gives a camera to come back that reconnects (``slow_open_s``)."""

QUIET_S: Final = 0.8
QUIET_FRAMES: Final = 3.2
"""Silence of which we tell, just before the agent would ask: it acts after 1 s or 4 frames."""

DEAD_S: Final = 3.0
DEAD_FRAMES: Final = 10.0
"""Silence after which the connection is given up for a new one."""

BACK_OFF_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
POLL_S: Final = 0.1
_LEAVE_S: Final = 0.5
TELL_S: Final = 1.0
"""What is delivered is told this often at most, however often the camera changes it: the agent logs
and publishes it."""

RATE_CHANGE: Final = 1.25
"""A frame rate that changes by this factor is told."""


class PassthroughSource:
    """A `VideoSource` over a `Feed`, with one thread."""

    def __init__(self, feed: Feed, settings: SourceSettings, *, name: str, encoder: str) -> None:
        self._feed = feed
        self._settings = settings
        self._name = name
        self._encoder = encoder
        self._intake = Intake(name)
        self._changed = threading.Condition()
        self._bell = Bell()
        self._thread: threading.Thread | None = None
        self._kept = Group(max_age_s=KEPT_S, max_bytes=KEPT_BYTES)
        self._owed: deque[AccessUnit] = deque()
        self._info: StreamInfo | None = None
        self._start_error: SourceError | None = None
        self._is_active = self._is_resumed = self._is_snapshot_wanted = False
        self._is_flowing = False
        self._is_info_new = False
        self._told_at = float("-inf")
        self._can_force = False
        self._trouble = ""
        self._idle_since = time.monotonic()
        self._came_at = self._sent_at = 0.0
        self._next_seq = 0
        self._has_brought_pictures = False

    # What callers ask, from any thread.

    def start(self, sink: Sink, on_state: StateListener) -> StreamInfo:
        """Connect and find out what comes; raises SourceError."""
        self._delivery, self._on_state = Delivery(sink, on_state), on_state
        self._bell.open()
        self._thread = threading.Thread(target=self._run, name="source", daemon=True)
        self._thread.start()
        with self._changed:
            is_known = self._changed.wait_for(
                lambda: self._info is not None or self._start_error is not None, START_S
            )
            error = self._start_error
            if not is_known:
                error = SourceError(self._name, f"no picture came within {START_S:g} s")
            if error is None and self._info is not None:
                return self._info
        self.stop(_LEAVE_S)
        raise error or SourceError(self._name, "it ended")

    def resume(self, layer: str = MAIN) -> None:
        """Pass pictures on, beginning with the keyframe that came last."""
        if layer == MAIN:
            with self._changed:
                self._is_active = self._is_resumed = True
            self._bell.ring()

    def pause(self, layer: str = MAIN) -> None:
        """Keep pictures to ourselves; after ``idle_stop_s`` let the camera go."""
        if layer == MAIN:
            with self._changed:
                self._is_active = self._is_resumed = False
                self._idle_since = time.monotonic()

    def request_keyframe(self, layer: str = MAIN) -> bool:
        """Ask the camera; False where it cannot be asked."""
        return layer == MAIN and self._can_force and self._feed.request_keyframe()

    def set_bitrate(self, bitrate_bps: int, layer: str = MAIN) -> int:
        """Return 0: the camera decides."""
        del bitrate_bps, layer
        return 0

    def set_framerate(self, fps: float) -> float:
        """Return the camera's own rate: the camera decides."""
        info = self._info
        return info.fps_max if info else fps

    def snapshot(self, timeout_s: float) -> bytes:
        """Return the newest picture as JPEG; raises SourceError."""
        # Late, because a camera that encodes by itself needs no codecs: 20 MB.
        from mqcam_device.sources.still import decode_newest  # noqa: PLC0415

        deadline = time.monotonic() + timeout_s
        self._is_snapshot_wanted = True
        self._bell.ring()
        try:
            units = self._await_kept(deadline)
        finally:
            self._is_snapshot_wanted = False  # else the camera would never rest again
        if not units:
            raise SourceError("snapshot", f"no keyframe came within {timeout_s:g} s")
        return decode_newest([unit.data for unit in units], deadline=deadline)

    def _await_kept(self, deadline: float) -> tuple[AccessUnit, ...]:
        """Return what is kept since a keyframe; nothing if none comes in time."""
        with self._changed:
            while not (units := self._kept.recent(time.monotonic())):
                if not self._changed.wait(max(deadline - time.monotonic(), 0.0)):
                    return ()
        return units

    def controls(self) -> tuple[ControlInfo, ...]:
        """Return nothing: the camera is set where it is configured."""
        return ()

    def set_controls(self, values: Mapping[str, ControlValue]) -> None:
        """Refuse; raises SourceError."""
        for name in values:
            raise SourceError(name, "this source has no such control")

    def stop(self, timeout_s: float) -> bool:
        """End the thread and the connection; False if it hangs beyond the time-out."""
        self._bell.ring(is_last=True)
        if self._thread is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        self._bell.close()
        return True

    # What the thread does.

    def _run(self) -> None:
        try:
            self._connect_for_ever()
        except Unfit as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001 - the thread's last words must reach the agent
            self._fail(SourceError(self._name, f"the source failed ({type(error).__name__})"))
        finally:
            self._feed.close()

    def _fail(self, error: SourceError) -> None:
        if self._info is None:
            with self._changed:
                self._start_error = error
                self._changed.notify_all()
        elif not self._bell.is_last:
            self._on_state(SourceState.FAILED, None, str(error))

    def _connect_for_ever(self) -> None:
        failures = 0
        while self._wait_for_need():
            try:
                self._open()
                self._read_for_ever()
                failures = 0
            except Unfit:
                raise
            except SourceError as error:
                self._feed.close()
                if self._info is None:
                    self._fail(error)
                    return
                failures = 1 if self._has_brought_pictures else failures + 1
                self._tell_trouble(f"{error}; trying again")
                self._wait(BACK_OFF_S[min(failures, len(BACK_OFF_S)) - 1])

    def _open(self) -> None:
        """Connect; raises SourceError."""
        if self._is_active and not self._trouble:
            self._tell_trouble(f"{self._name}: connecting", SourceState.STARTING)
        self._has_brought_pictures = self._is_flowing = False
        info = self._feed.open(self._bell)
        self._can_force = info.can_force_keyframe
        self._intake.begin(info)
        self._came_at = self._sent_at = time.monotonic()
        if self._info is None:
            self._note_parameters()

    def _read_for_ever(self) -> None:
        """Pass pictures on until stopped, or until nobody has looked for long."""
        while not (self._bell.is_last or self._is_idle_for_long()):
            if self._is_resumed:
                self._begin_to_show()
            for picture in self._feed.read(self._burst_pause_s if self._owed else POLL_S):
                self._came_at = time.monotonic()
                unit = self._intake.take(picture)
                if unit is not None:
                    self._keep(unit)
            self._send_owed()
            self._watch()
        self._feed.close()

    def _begin_to_show(self) -> None:
        with self._changed:
            self._is_resumed = False
        self._sent_at = time.monotonic()
        self._owed = deque(self._kept.recent(self._sent_at))
        self._is_flowing = bool(self._owed)
        if self._can_force and not self._is_flowing:
            self._feed.request_keyframe()

    def _keep(self, unit: AccessUnit) -> None:
        self._has_brought_pictures = True
        if unit.keyframe:
            self._note_parameters()
        with self._changed:
            self._kept.take(unit, time.monotonic())
            self._changed.notify_all()
        if not self._is_active or self._is_resumed:
            return
        self._is_flowing = self._is_flowing or unit.keyframe
        if self._is_flowing:
            self._owed.append(unit)
        if len(self._owed) > OWED_UNITS:
            self._owed.clear()
            self._is_flowing = False

    def _send_owed(self) -> None:
        if not self._is_active:
            self._owed.clear()
            self._is_flowing = False
        if self._owed:
            self._hand_over(self._owed.popleft())
            self._sent_at = time.monotonic()

    def _hand_over(self, unit: AccessUnit) -> None:
        """Hand a unit over under a new number: what was kept may leave more than once."""
        numbered = AccessUnit(unit.data, unit.captured_ns, unit.keyframe, self._next_seq)
        self._next_seq += 1
        self._delivery.hand_over(numbered, self._info)

    @property
    def _burst_pause_s(self) -> float:
        return 1 / (BURST_SPEED * (self._info.fps_max if self._info else 1.0))

    def _note_parameters(self) -> None:
        """Find out what is delivered, and tell when it has changed."""
        parameters, former = self._intake.parameters, self._info
        if parameters is None:
            return
        fps = round(self._intake.fps, 2)
        if former and max(fps, former.fps_max) < RATE_CHANGE * min(fps, former.fps_max):
            fps = former.fps_max
        self._info = StreamInfo(
            width=parameters.width,
            height=parameters.height,
            fps_min=min(self._settings.fps_min or fps, fps),
            fps_max=fps,
            profile_level_id=parameters.profile_level_id,
            can_force_keyframe=self._can_force,
            bitrate_range_bps=None,
            encoder=self._encoder,
            rotation=self._settings.rotation,
        )
        if former is None:
            with self._changed:
                self._changed.notify_all()
        elif self._info != former:
            self._is_info_new = True
            self._tell_info(time.monotonic())

    def _tell_info(self, now: float) -> None:
        """Tell what is delivered, if it has changed and was not told just now."""
        if self._is_info_new and not self._trouble and now - self._told_at >= TELL_S:
            self._is_info_new, self._told_at = False, now
            self._on_state(SourceState.RUNNING, self._info, "")

    def _watch(self) -> None:
        """Tell of silence, and give up a connection that is silent for long; raises SourceError."""
        now = time.monotonic()
        fps_min = self._info.fps_min if self._info else 1.0
        silent_s = now - self._came_at
        if silent_s > max(DEAD_S, DEAD_FRAMES / fps_min):
            raise SourceError(self._name, f"no picture came for {silent_s:.0f} s")
        quiet_s = max(QUIET_S, QUIET_FRAMES / fps_min)
        if silent_s > quiet_s:
            self._tell_trouble(f"{self._name}: no picture comes at present")
        elif self._is_active and not self._is_resumed and now - self._sent_at > quiet_s:
            self._tell_trouble(f"{self._name}: waiting for the camera's next keyframe")
        elif self._trouble and self._has_brought_pictures:
            self._trouble, self._is_info_new = "", False
            self._on_state(SourceState.RUNNING, self._info, "")
        self._tell_info(now)

    def _tell_trouble(self, text: str, state: SourceState = SourceState.STALLED) -> None:
        """Tell a trouble once, not each time it is met."""
        if self._info is not None and text != self._trouble and not self._bell.is_last:
            self._trouble = text
            self._on_state(state, self._info, text)

    def _is_idle_for_long(self) -> bool:
        after_s = self._settings.idle_stop_s
        if after_s is None or self._is_active or self._is_snapshot_wanted or self._info is None:
            return False
        return time.monotonic() - self._idle_since > after_s

    def _wait_for_need(self) -> bool:
        """Wait while the camera may rest; False when the source is to end."""
        while self._is_idle_for_long() and not self._bell.is_last:
            self._bell.wait(POLL_S)
        return not self._bell.is_last

    def _wait(self, timeout_s: float) -> None:
        """Wait whatever rings, but for the end."""
        until = time.monotonic() + timeout_s
        while not self._bell.is_last and (left_s := until - time.monotonic()) > 0:
            self._bell.wait(left_s)
