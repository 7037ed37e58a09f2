"""What the kernel knows of a process: memory, processor time, children.

It must not know what the processes are. Linux only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC = Path("/proc")
KB_PER_MB = 1e6 / 1024  # MB here are millions of bytes, the kernel counts 1024
ENOUGH = 4
"""So many processors are enough to give each of two groups its own."""
PARENT = 1  # the field of stat(5) after the state


def rss_mb(pid: int) -> float:
    """Return the resident memory, shared pages counted whole (VmRSS)."""
    return _kb(PROC / str(pid) / "status", "VmRSS:") / KB_PER_MB


def pss_mb(pid: int) -> float:
    """Return the resident memory, each shared page divided among its users."""
    return _kb(PROC / str(pid) / "smaps_rollup", "Pss:") / KB_PER_MB


def cpu_s(pid: int) -> float:
    """Return the processor time that the living threads of a process have had so far."""
    return sum(_thread_cpu_s(task) for task in (PROC / str(pid) / "task").iterdir())


def thread_cpu_s(pid: int, thread: int) -> float:
    """Return the processor time of one thread of a process so far."""
    return _thread_cpu_s(PROC / str(pid) / "task" / str(thread))


def children(pid: int, *, running: str) -> list[int]:
    """Return the children of a process whose command line holds ``running``."""
    found = []
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The name before the parenthesis may hold anything.
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue  # it ended while we looked
        if int(fields[PARENT]) == pid and running in command:
            found.append(int(entry.name))
    return found


def keep_apart(some: Iterable[int], others: Iterable[int]) -> None:
    """Give two groups of processes processors of their own, if there are enough of them."""
    available = sorted(os.sched_getaffinity(0))
    if len(available) < ENOUGH:
        return
    half = len(available) // 2
    for pids, processors in ((some, available[:half]), (others, available[half:])):
        for pid in pids:
            for task in (PROC / str(pid) / "task").iterdir():
                os.sched_setaffinity(int(task.name), processors)


def machine() -> str:
    """Return processor, cores and how busy they are, as one line."""
    models = [
        line.partition(":")[2].strip()
        for line in (PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    load = os.getloadavg()[0]
    return f"{models[0] if models else 'unknown'}, {os.cpu_count()} cores, load before: {load:.1f}"


def _thread_cpu_s(task: Path) -> float:
    """Return nanoseconds on a processor as seconds: stat(5) counts in ticks of 10 ms."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9


def _kb(file: Path, label: str) -> int:
    for line in file.read_text().splitlines():
        if line.startswith(label):
            return int(line.split()[1])
    raise RuntimeError(f"{file} has no {label}")
