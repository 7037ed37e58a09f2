"""What processes and the whole machine used: processor time and memory, as the kernel counts.

It must not know which processes they are.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
_FIELDS_BEFORE_STATE: Final = 2
_USER, _SYSTEM = 14, 15
"""Fields of ``/proc/PID/stat``, counted from 1 (proc(5))."""
_IDLE, _IO_WAIT = 3, 4
"""Columns of ``/proc/stat`` that are no work."""
_GUEST: Final = 8
"""From here on they are counted in others already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """A moment's counters: seconds of processor time since each began; None: not to be read."""

    at_s: float
    agent_s: float | None
    capture_s: float | None
    busy_s: float | None
    agent_pss_bytes: int | None
    capture_pss_bytes: int | None


def read_load(agent: int | None, capture: int | None, now: float, *, proc: Path = PROC) -> Load:
    """Read the counters of the two processes and of the machine."""
    return Load(
        at_s=now,
        agent_s=cpu_s(agent, proc=proc),
        capture_s=cpu_s(capture, proc=proc),
        busy_s=_busy_s(proc),
        agent_pss_bytes=pss_bytes(agent, proc=proc),
        capture_pss_bytes=pss_bytes(capture, proc=proc),
    )


def cpu_s(pid: int | None, *, proc: Path = PROC) -> float | None:
    """Return the processor time of a process and all of its threads; None if it is gone."""
    try:
        text = (proc / str(pid) / "stat").read_text("utf-8", "replace")
        # The name stands in parentheses, and may hold some.
        words = text.rpartition(")")[2].split()
        ticks = sum(int(words[field - _FIELDS_BEFORE_STATE - 1]) for field in (_USER, _SYSTEM))
    except (OSError, ValueError, IndexError):
        return None
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_bytes(pid: int | None, *, proc: Path = PROC) -> int | None:
    """Return a process's proportional share of memory; None if it may not be read."""
    try:
        text = (proc / str(pid) / "smaps_rollup").read_text("ascii", "replace")
        line = next(line for line in text.splitlines() if line.startswith("Pss:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def _busy_s(proc: Path) -> float | None:
    try:
        line = (proc / "stat").read_text("ascii", "replace").splitlines()[0]
        columns = [int(word) for word in line.split()[1:]][:_GUEST]
        idle = columns[_IDLE] + columns[_IO_WAIT]
    except (OSError, ValueError, IndexError):
        return None
    return (sum(columns) - idle) / os.sysconf("SC_CLK_TCK")
