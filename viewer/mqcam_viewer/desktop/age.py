"""For how long this process has lived: what a person waited since the program was asked for.

It must not know what was done meanwhile.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

START_FIELD = 19
"""Where the start is, counted from the state of the process (proc(5), field 22)."""


def age_s() -> float | None:
    """Return the seconds since the process began, to 10 ms; None where the system does not say."""
    try:
        text = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
        ticks = int(text.rpartition(")")[2].split()[START_FIELD])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
