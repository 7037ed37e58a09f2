"""One camera as it is listed, whatever library sees it.

It must not know any library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One camera; ``text`` says why it is not ``usable``, ``kind`` is the configuration's.

    ``aliases`` lead to it too, but not at every boot.
    """

    kind: str
    id: str
    aliases: tuple[str, ...] = ()
    model: str
    sizes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    encoders: tuple[str, ...] = ()
    usable: bool = True
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All cameras of one kind, and what is to be said about the kind as a whole."""

    cameras: tuple[Listed, ...] = ()
    notes: tuple[str, ...] = ()


def words_of_sizes(rates: Mapping[tuple[int, int], float]) -> tuple[str, ...]:
    """Return such words as 1280x720@30, the largest first; a rate of 0 is not told."""
    return tuple(
        f"{width}x{height}@{fps:.0f}" if fps else f"{width}x{height}"
        for (width, height), fps in sorted(rates.items(), reverse=True)
    )
