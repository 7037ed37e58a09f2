"""The bench's own arithmetic, and its page: a table that lies is worse than none."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.protocol.codec import decode, encode
from mqcam.protocol.messages import Offer
from mqcam.protocol.topics import is_id
from support.tree import ROOT

if TYPE_CHECKING:
    from types import ModuleType

NO_SPREAD = (100.0, 100.0, 100.0, 100.0, 100.0)
SPREAD = (60.0, 80.0, 100.0, 120.0, 140.0)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import from the checkout: the bench is never installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.figures")


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("bench.table")


def figure(figures: ModuleType, ours: tuple[float, ...], **changes: Any) -> Any:
    return figures.Figure(name="some figure", unit="ms", ours=ours, **changes)


@pytest.mark.parametrize(
    ("ours", "limit", "verdict"),
    [
        (NO_SPREAD, 100.0, "MET"),
        (NO_SPREAD, 99.0, "NOT_MET"),
        (SPREAD, 90.0, "WITHIN_NOISE"),  # the median of these is known to +-28
        (SPREAD, 50.0, "NOT_MET"),
        ((100.0,), 99.0, "NOT_MET"),
        (NO_SPREAD, None, "INFORMATION"),
    ],
)
def test_a_limit_is_missed_only_by_more_than_the_noise(
    figures: ModuleType, ours: tuple[float, ...], limit: float | None, verdict: str
) -> None:
    assert figure(figures, ours, limit=limit).verdict.name == verdict


def test_one_outlier_moves_neither_median_nor_verdict(figures: ModuleType) -> None:
    measured = figure(figures, (*NO_SPREAD, 5000.0), limit=100.0)

    assert measured.verdict is figures.Verdict.MET


def test_a_ratio_is_of_medians_and_absent_without_stock(figures: ModuleType) -> None:
    assert figure(figures, SPREAD, stock=(400.0, 200.0, 9000.0)).ratio == 0.25
    assert figure(figures, SPREAD).ratio is None


@pytest.mark.parametrize(
    ("ours", "limits", "verdict"),
    [
        ((25.0,), {"ratio_limit": 0.3}, "MET"),
        ((35.0,), {"ratio_limit": 0.3}, "NOT_MET"),
        ((30.0, 31.0, 35.0), {"ratio_limit": 0.3}, "WITHIN_NOISE"),
        ((5.0,), {"floor": 5.0}, "MET"),
        ((4.9,), {"floor": 5.0}, "NOT_MET"),
        ((3.0, 4.9, 8.0), {"floor": 5.0}, "WITHIN_NOISE"),
    ],
)
def test_a_limit_may_be_a_part_of_stock_or_the_least(
    figures: ModuleType, ours: tuple[float, ...], limits: dict[str, float], verdict: str
) -> None:
    measured = figure(figures, ours, stock=(100.0, 100.0, 100.0), **limits)

    assert measured.verdict.name == verdict


def test_a_figure_may_be_the_value_that_nine_of_ten_stay_below(figures: ModuleType) -> None:
    samples = tuple(map(float, range(101)))
    measured = figure(figures, samples, stock=(180.0,), share=0.9, limit=80.0)

    assert (measured.value, measured.ratio) == (90.0, 0.5)
    assert measured.noise == pytest.approx(5.8, abs=0.1)
    assert measured.verdict is figures.Verdict.NOT_MET


def test_ratios_and_least_values_are_shown_as_such(figures: ModuleType, table: ModuleType) -> None:
    rows = [
        figure(figures, (30.0,), stock=(100.0,), ratio_limit=0.3),
        figure(figures, (5.0,), floor=5.0),
    ]

    assert [table.what_is_wanted(each) for each in rows] == ["<= 0.30 x stock", ">= 5 ms"]


def test_the_table_shows_median_range_stock_ratio_limit_and_verdict(
    figures: ModuleType, table: ModuleType
) -> None:
    drawn = table.draw([figure(figures, SPREAD, stock=(400.0,), limit=50.0)])

    cells = [cell.strip() for cell in drawn.splitlines()[-1].split("  ") if cell.strip()]
    assert cells == [
        "some figure",
        "100 ms (60..140, n=5)",
        "400 ms",
        "0.25",
        "<= 50 ms",
        "NOT MET",
    ]


def test_json_keeps_every_sample(figures: ModuleType, table: ModuleType) -> None:
    (written,) = table.as_json([figure(figures, SPREAD, stock=(1.0, 2.0))])

    assert (written["ours"], written["stock"]) == (list(SPREAD), [1.0, 2.0])


def test_the_page_explains_every_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")

    names = importlib.import_module("bench.cli").MEASUREMENTS
    assert [name for name in names if f"`{name}`" not in page] == []


@pytest.mark.parametrize(
    ("sizes", "settled_s"),
    [
        ([1000] * 60, 0.0),  # 240 kbit/s from the start
        ([3000] * 15 + [1000] * 60, 29 / 30),  # one large picture in 15 is 13 % too much
        ([1000] * 60 + [2000] * 15, 75 / 30 + 1 / 30),
    ],
)
def test_a_rate_has_settled_when_it_stays_within_a_fifth(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], settled_s: float
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    encode_line = importlib.import_module("bench.encode")

    assert encode_line.settling_s(sizes, 240_000) == pytest.approx(settled_s)


def test_forged_offers_are_as_large_as_said_and_wrong_in_nothing_but_their_signer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    sealing = importlib.import_module("bench.sealing")

    body = encode(sealing.offer_of(nonce="n1"))
    offer = decode(body)
    assert len(body) == sealing.OFFER_BYTES
    assert isinstance(offer, Offer)
    assert (offer.nonce, offer.n) == ("n1", 0)
    assert is_id(sealing.new_session())
