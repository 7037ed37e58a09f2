from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mqcam.rtcp import unix_ns_from_ntp
from mqcam.steadyclock import SteadyClock

if TYPE_CHECKING:
    import pytest

SECOND_NS = 1_000_000_000


def test_it_begins_at_the_time_of_day_and_follows_the_monotonic_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time of day that is set after the beginning is not looked at."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000 * SECOND_NS)
    monkeypatch.setattr(time, "monotonic_ns", lambda: 50 * SECOND_NS)
    clock = SteadyClock()
    monkeypatch.setattr(time, "time_ns", lambda: 0)

    assert unix_ns_from_ntp(clock.ntp_at(50 * SECOND_NS)) == 1_800_000_000 * SECOND_NS
    assert unix_ns_from_ntp(clock.ntp_at(53 * SECOND_NS)) == 1_800_000_003 * SECOND_NS
