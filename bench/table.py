"""Figures as one table for people and one object for programs.

Pure; it must not know how anything was measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.figures import Figure

HEADINGS = ("figure", "ours (min..max)", "stock", "ratio", "at least", "")
NOTHING = "-"
FINE_BELOW = 10.0
"""Values below this are shown with two digits, so that a ratio or 0.4 ms says something."""


def draw(figures: Sequence[Figure]) -> str:
    """Return the table: values, the range of ours, stock in the same run, the limit."""
    rows = [HEADINGS, *(row(figure) for figure in figures)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def row(figure: Figure) -> tuple[str, ...]:
    """Return the cells of one figure, as many as there are headings."""
    span = f"({number(min(figure.ours))}..{number(max(figure.ours))}, n={len(figure.ours)})"
    stock, ratio = figure.stock_value, figure.ratio
    return (
        figure.name,
        f"{with_unit(figure.value, figure.unit)} {span}",
        NOTHING if stock is None else with_unit(stock, figure.unit),
        NOTHING if ratio is None else f"{ratio:.2f}",
        what_is_wanted(figure),
        figure.verdict.value,
    )


def what_is_wanted(figure: Figure) -> str:
    """Return what the figure must reach."""
    if figure.ratio_limit is not None:
        return f"<= {figure.ratio_limit:.2f} x stock"
    if figure.floor is not None:
        return f">= {with_unit(figure.floor, figure.unit)}"
    return NOTHING if figure.limit is None else f"<= {with_unit(figure.limit, figure.unit)}"


def with_unit(value: float, unit: str) -> str:
    """Return a value as a person reads it."""
    return f"{number(value)} {unit}".rstrip()


def number(value: float) -> str:
    """Return a value with as many digits as mean something."""
    if value == int(value):
        return str(int(value))
    return f"{value:.2f}" if abs(value) < FINE_BELOW else f"{value:.1f}"


def as_json(figures: Sequence[Figure]) -> list[dict[str, object]]:
    """Return every figure with all its samples."""
    return [
        {
            "name": figure.name,
            "unit": figure.unit,
            "ours": list(figure.ours),
            "stock": list(figure.stock),
            "share": figure.share,
            "value": figure.value,
            "noise": figure.noise,
            "stock_value": figure.stock_value,
            "ratio": figure.ratio,
            "limit": figure.limit,
            "floor": figure.floor,
            "ratio_limit": figure.ratio_limit,
            "verdict": figure.verdict.value,
        }
        for figure in figures
    ]
