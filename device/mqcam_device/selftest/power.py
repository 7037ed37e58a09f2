"""How hot the board is, and whether its power supply or the heat has slowed it down.

It must not know cameras. Other boards than a Raspberry Pi have no such words of the firmware.
"""

from __future__ import annotations

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SYS: Final = Path("/sys")
THROTTLED_PLACES: Final = (
    "devices/platform/soc/soc:firmware/get_throttled",
    "devices/platform/soc@*/*firmware*/get_throttled",
    "devices/platform/*firmware*/get_throttled",
)
VCGENCMD: Final = ("vcgencmd", "get_throttled")
VCGENCMD_S: Final = 2.0

UNDER_VOLTAGE, FREQUENCY_CAPPED, THROTTLED, SOFT_LIMIT = range(4)
"""Bits of ``vcgencmd get_throttled``: now, and 16 bits higher since boot (Raspberry Pi's docs)."""
SINCE_BOOT: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """What holds the board back at this moment, and what has since it was started."""

    bits: int

    def is_now(self, bit: int) -> bool:
        """Tell whether it holds at this moment."""
        return bool(self.bits >> bit & 1)

    def has_been(self, bit: int) -> bool:
        """Tell whether it was so at some moment since the board was started."""
        return bool(self.bits >> (bit + SINCE_BOOT) & 1) or self.is_now(bit)


def read_throttling(*, sys: Path = SYS, ask: Callable[[], str] | None = None) -> Throttling | None:
    """Return what the firmware says; None where there is none or it says nothing."""
    texts = [_text(path) for place in THROTTLED_PLACES for path in sys.glob(place)]
    if not texts:
        texts.append((ask or _ask_firmware)().partition("=")[2])
    for text in texts:
        with contextlib.suppress(ValueError):
            return Throttling(bits=int(text, 16))
    return None


def read_temperature_c(*, sys: Path = SYS) -> float | None:
    """Return how hot the processor is, in degrees Celsius; None where nothing measures it."""
    with contextlib.suppress(ValueError):
        return int(_text(sys / "class/thermal/thermal_zone0/temp")) / 1000
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""


def _ask_firmware() -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            VCGENCMD, capture_output=True, text=True, timeout=VCGENCMD_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
