"""Units on their way to a sink that makes mistakes."""

from __future__ import annotations

from mqcam_device.media import AccessUnit, SourceState, StreamInfo
from mqcam_device.sources.delivery import Delivery


def test_what_a_sink_raises_is_counted_and_told_once() -> None:
    taken: list[int] = []
    told: list[tuple[SourceState, StreamInfo | None, str]] = []

    def sink(unit: AccessUnit) -> None:
        if unit.seq < 2:
            raise ZeroDivisionError("a mistake")
        taken.append(unit.seq)

    delivery = Delivery(sink, lambda *state: told.append(state))
    for seq in range(4):
        delivery.hand_over(AccessUnit(b"", 0, False, seq), None)

    assert taken == [2, 3]
    assert delivery.failures == 2
    ((state, _, text),) = told
    assert state is SourceState.RUNNING
    assert "ZeroDivisionError('a mistake')" in text
