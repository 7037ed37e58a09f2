"""Times, rates and sizes as a person reads them.

It must not know Qt, clocks or cameras: values come in, text goes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

SEPARATOR: Final = "  ·  "


def last_seen(seen: datetime | None, now: datetime) -> str:
    """Return when something was last seen, in local time; empty if it never was."""
    if seen is None:
        return ""
    days = (now.date() - seen.date()).days
    clock = f"{seen:%H:%M}"
    if days == 0:
        return f"Last seen today at {clock}"
    if days == 1:
        return f"Last seen yesterday at {clock}"
    year = "" if seen.year == now.year else f" {seen.year}"
    return f"Last seen on {seen.day} {seen:%B}{year} at {clock}"


def rate(bits_per_second: float) -> str:
    """Return a bit rate with the unit that suits it."""
    if bits_per_second >= 1e6:  # noqa: PLR2004
        return f"{bits_per_second / 1e6:.1f} Mb/s"
    return f"{bits_per_second / 1e3:.0f} kb/s"


def video_mode(width: int | None, height: int | None, fps: float | None) -> str:
    """Return ``720p30`` and the like, also of what stands on end; empty without a size."""
    if not width or not height:
        return ""
    lines = min(width, height)
    return f"{lines}p" if not fps else f"{lines}p{fps:.0f}"


def sentence(text: str) -> str:
    """Return a text of ours as a sentence begins: with a capital letter."""
    return text[:1].upper() + text[1:]


def line(*parts: str) -> str:
    """Return the parts that say something as one line."""
    return SEPARATOR.join(part for part in parts if part)
