"""A camera's own timestamps as times of this machine's monotonic clock.

It must not know packets or clocks: timestamps and times of arrival are arguments. Network and
driver only ever delay, so that the earliest arrivals tell how the two clocks stand to each other;
a picture that comes late keeps the time at which it was taken.
"""

from __future__ import annotations

from typing import Final

NS: Final = 1_000_000_000
_US: Final = 1000

WARM_UP_NS: Final = 2 * NS
"""So long after a beginning each earlier arrival is believed at once: cameras begin with a burst
of what they have kept."""

WINDOW_NS: Final = 10 * NS
"""The earliest arrival of the last one to two of these counts."""

FALL_PER_S: Final = 0.02
RISE_PER_S: Final = 0.001
"""How fast the difference of the clocks follows afterwards. No quartz is wrong by a part in 2000;
that arrivals were later for a while says little."""

AHEAD_NS: Final = NS // 2
"""No picture arrives so long before it is taken: the camera's clock was set, or began anew."""

BEHIND_NS: Final = 3 * NS
"""When even the earliest of a window were so late, it was the camera's clock that was set."""


OWN_NS: Final = 2 * NS
"""A picture that is older than this by our own clock was stamped by another."""


class CameraClock:
    """Map timestamps of one stream, in its order; what comes out grows by a microsecond at least.

    ``rate_hz`` is what a second has of ticks, ``bits`` the width at which they wrap. ``is_own``
    says that they are of our clock, which is believed where it can be.
    """

    def __init__(self, *, rate_hz: int, bits: int | None = None, is_own: bool = False) -> None:
        self._is_own = is_own
        self._rate_hz = rate_hz
        self._span = None if bits is None else 1 << bits
        self._ticks: int | None = None
        self._raw = 0
        self._offset_ns = 0
        self._arrived_ns = 0
        self._warm_until_ns = 0
        self._window_from_ns = 0
        self._earliest_ns = 0
        self._before_ns: int | None = None
        self._last_ns = -_US

    def captured_ns(self, timestamp: int | None, arrived_ns: int) -> int:
        """Return when a picture was taken, never later than it arrived unless to keep the order.

        Without a timestamp it is when it arrived.
        """
        at_ns = arrived_ns if timestamp is None else self._map(timestamp, arrived_ns)
        # In whole microseconds, which is what encoders and recordings count in.
        self._last_ns = max(at_ns // _US * _US, self._last_ns + _US)
        return self._last_ns

    def _map(self, timestamp: int, arrived_ns: int) -> int:
        is_back, ticks = self._extend(timestamp)
        camera_ns = ticks * NS // self._rate_hz
        apart_ns = arrived_ns - camera_ns
        if self._is_own and 0 <= apart_ns <= OWN_NS:
            return camera_ns
        if is_back or apart_ns < self._offset_ns - AHEAD_NS:
            self._anchor(apart_ns, arrived_ns)
        self._note(apart_ns, arrived_ns)
        self._follow(arrived_ns)
        return min(camera_ns + self._offset_ns, arrived_ns)

    def _extend(self, timestamp: int) -> tuple[bool, int]:
        """Return whether the camera's clock began anew, and the timestamp without its wraps."""
        former, raw = self._ticks, self._raw
        self._raw = timestamp
        if former is None:
            self._ticks = timestamp
            return True, timestamp
        step = timestamp - raw
        if self._span is not None:
            step = (step + self._span // 2) % self._span - self._span // 2
        self._ticks = former + step
        return step < 0, self._ticks

    def _anchor(self, apart_ns: int, arrived_ns: int) -> None:
        """Begin anew: nothing that was known of the camera's clock holds."""
        self._offset_ns = self._earliest_ns = apart_ns
        self._before_ns = None
        self._window_from_ns = self._arrived_ns = arrived_ns
        self._warm_until_ns = arrived_ns + WARM_UP_NS

    def _note(self, apart_ns: int, arrived_ns: int) -> None:
        if arrived_ns - self._window_from_ns >= WINDOW_NS:
            self._before_ns, self._earliest_ns = self._earliest_ns, apart_ns
            self._window_from_ns = arrived_ns
        self._earliest_ns = min(self._earliest_ns, apart_ns)

    def _follow(self, arrived_ns: int) -> None:
        """Move towards what the earliest arrivals say."""
        elapsed_ns = max(arrived_ns - self._arrived_ns, 0)
        self._arrived_ns = arrived_ns
        is_whole = self._before_ns is not None
        goal_ns = min(self._earliest_ns, self._before_ns or self._earliest_ns)
        error_ns = goal_ns - self._offset_ns
        if error_ns < 0:
            is_warm = arrived_ns < self._warm_until_ns
            most_ns = -error_ns if is_warm else int(elapsed_ns * FALL_PER_S)
            self._offset_ns -= min(-error_ns, most_ns)
        elif is_whole and error_ns > BEHIND_NS:
            self._anchor(goal_ns, arrived_ns)
        elif is_whole:
            self._offset_ns += min(error_ns, int(elapsed_ns * RISE_PER_S))
