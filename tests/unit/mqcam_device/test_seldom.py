from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mqcam_device.seldom import BURST, PER_S, Seldom

if TYPE_CHECKING:
    import pytest

logger = logging.getLogger("mqcam_device.test")
WEEK_S = 7 * 24 * 3600


def test_what_goes_wrong_now_and_then_is_all_logged(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    seldom = Seldom(logger, clock=lambda: now)
    for _ in range(1000):
        now += 1 / PER_S
        seldom.log(logging.WARNING, "capture stopped", reason="gone")
    assert len(caplog.records) == 1000
    assert caplog.records[-1].__dict__["fields"] == {"reason": "gone"}


def test_what_goes_wrong_each_second_for_a_week_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    seldom = Seldom(logger, clock=lambda: now)
    for second in range(WEEK_S):
        now = float(second)
        seldom.log(logging.WARNING, "capture stopped", reason="gone")
    assert BURST < len(caplog.records) < BURST + WEEK_S * PER_S + 2
    counts = [record.__dict__["fields"].get("left_out", 0) for record in caplog.records]
    assert counts[: BURST + 1].count(0) >= BURST
    assert sum(counts) + len(caplog.records) > WEEK_S - 1 / PER_S - 1


def test_one_event_does_not_silence_another(caplog: pytest.LogCaptureFixture) -> None:
    seldom = Seldom(logger, clock=lambda: 0.0)
    for _ in range(BURST * 2):
        seldom.log(logging.WARNING, "capture stopped")
    seldom.log(logging.WARNING, "camera reopened")
    assert caplog.records[-1].message == "camera reopened"
