"""What the bench makes of the pictures that viewers saw: gaps, ages, when all was well again."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from support.tree import ROOT

if TYPE_CHECKING:
    from types import ModuleType

INTERVAL_MS = 33.0
AGE_MS = 10.5  # by a clock that leaves out half a millisecond


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import from the checkout: the bench is never installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.shown")


def picture(shown: ModuleType, at_ms: float, *, age_ms: float = AGE_MS, whole: bool = True) -> Any:
    """Return a picture that was decoded at a time."""
    if not whole:
        return shown.Shown(None, None, at_ms, None)
    return shown.Shown(int(at_ms), at_ms - age_ms, at_ms, age_ms)


def watched(shown: ModuleType, *pictures: Any) -> Any:
    return shown.Watched(pictures, ())


def test_the_time_before_the_first_and_after_the_last_picture_is_a_gap_too(
    shown: ModuleType,
) -> None:
    seen = watched(shown, *(picture(shown, at_ms) for at_ms in (100.0, 150.0)))

    assert seen.gaps_ms(0.0, 400.0) == [100.0, 50.0, 250.0]
    assert seen.freezes(90.0, 0.0, 400.0) == 2
    assert watched(shown).freezes(90.0, 0.0, 400.0) == 1


def test_all_is_well_only_after_the_last_broken_or_old_picture(shown: ModuleType) -> None:
    seen = watched(
        shown,
        picture(shown, 0.0),
        picture(shown, 33.0, whole=False),
        picture(shown, 66.0),
        picture(shown, 99.0, age_ms=900.0),
        picture(shown, 132.0),
        picture(shown, 165.0),
    )

    assert seen.settled_ms(oldest_ms=250.0) == 132.0
    assert seen.settled_ms(oldest_ms=1000.0) == 66.0
    assert seen.settled_ms(oldest_ms=1.0) is None
    assert seen.broken() == 1


def test_a_gap_begins_the_waiting_anew(shown: ModuleType) -> None:
    seen = watched(shown, *(picture(shown, at_ms) for at_ms in (0.0, 33.0, 300.0, 333.0)))

    assert seen.settled_ms(oldest_ms=250.0, longest_gap_ms=100.0) == 300.0
    assert seen.settled_ms(oldest_ms=250.0) == 0.0


def test_a_bit_rate_survives_a_new_session_that_counts_from_nothing(shown: ModuleType) -> None:
    seen = shown.Watched((), ((0.0, 1000), (500.0, 2000), (1000.0, 500)))

    assert seen.bitrate_bps() == 12_000


def test_a_bit_rate_is_reached_when_a_whole_window_has_it(shown: ModuleType) -> None:
    """100 kbit/s, from 2 s on 1 Mbit/s."""
    counts = [
        (at, at * 1250 // 100 + max(0, at - 2000) * 11_250 // 100) for at in range(0, 6000, 100)
    ]
    seen = shown.Watched((), tuple((float(at), count) for at, count in counts))

    assert seen.reaches_bps(900_000, window_ms=1000.0) == pytest.approx(1900, abs=100)
    assert seen.reaches_bps(2_000_000, window_ms=1000.0) is None


def test_a_wait_counts_from_the_handing_over_of_the_same_picture(shown: ModuleType) -> None:
    seen = watched(shown, picture(shown, 100.0, age_ms=20.0), picture(shown, 133.0, whole=False))

    assert seen.waits_ms({80: 85.0, 113: 118.0}) == (15.0,)


def test_an_error_is_how_far_the_computed_age_is_off(shown: ModuleType) -> None:
    seen = watched(shown, shown.Shown(1, 90.0, 100.0, 12.5))

    assert seen.errors_ms() == (3.0,)


def test_nothing_seen_is_no_figure(shown: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="no picture"):
        shown.p99(())


def test_notes_are_read_up_to_the_last_whole_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    notes = importlib.import_module("bench.notes")
    file = tmp_path / "notes"
    file.write_text("5999999 8500000\n5000001 9000000\n7000000 9")

    assert notes.read_notes(file) == {5: 8.5}
