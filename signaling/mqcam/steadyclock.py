"""The time of day as reports quote it: read once, then carried on by the monotonic clock.

It must not know what is reported. A clock that is set meanwhile changes nothing here.
"""

from __future__ import annotations

import time

from mqcam.rtcp import ntp_from_unix_ns


class SteadyClock:
    """A time of day that only goes forward."""

    def __init__(self) -> None:
        self._offset_ns = time.time_ns() - time.monotonic_ns()

    def unix_ns_at(self, monotonic_ns: int) -> int:
        """Return the nanoseconds since 1970 at a moment of the monotonic clock."""
        return monotonic_ns + self._offset_ns

    def ntp_at(self, monotonic_ns: int) -> int:
        """Return the 64-bit NTP time of a moment of the monotonic clock."""
        return ntp_from_unix_ns(self.unix_ns_at(monotonic_ns))
