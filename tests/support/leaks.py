"""What a test may not leave behind: tasks, threads, processes, descriptors, lost exceptions.

It must not know mqcam: it judges any test, and ``tests/repo/test_leaks.py`` plants each leak.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GRACE_S = 2.0
"""How long a thread or a process may take to end after its test."""

LOOP_TURNS = 5
"""How many turns of the loop a cancelled task may take to end after its test."""

PR_SET_CHILD_SUBREAPER = 36

Item = TypeVar("Item")


def adopt_orphans() -> None:
    """Make this process the parent of its orphaned descendants, so that none escapes the check."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class LostErrors(logging.Handler):
    """Collects what asyncio logs because nobody awaited it: lost exceptions, destroyed tasks."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message, with the exception that was lost."""
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text = f"{text}: {record.exc_info[1]!r}"
        self.messages.append(text)


def children() -> set[int]:
    """Return the process ids of the living children of this process; reap those that ended."""
    found: set[int] = set()
    for pid in child_ids():
        if state_of(pid) == "Z":
            # Python's own Popen warns about a child that was never waited for: no need to here.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        elif "multiprocessing.resource_tracker" not in command_of(pid):
            found.add(pid)
    return found


def child_ids() -> list[int]:
    """List the children of each of this process's threads, as the kernel keeps them."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found += (thread / "children").read_text().split()
    return [int(pid) for pid in found]


def state_of(pid: int) -> str:
    """Return the letter of a process's state, empty when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[0]  # after the name, which may hold anything


def command_of(pid: int) -> str:
    """Return the command line of a process, empty when it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()


def descriptors() -> dict[int, str]:
    """Return what each open file descriptor of this process stands for."""
    found = {}
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the one that iterates is gone by now
            found[int(link.name)] = str(link.readlink())
    return found


def settle(look: Callable[[], set[Item]], known: set[Item]) -> set[Item]:
    """Return what ``look`` sees beyond ``known`` once the grace is over or nothing is left."""
    deadline = time.monotonic() + GRACE_S
    while (left := look() - known) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left


async def leaked_tasks(known: set[asyncio.Task[object]]) -> list[str]:
    """Name the tasks of the running loop that outlive their test, and cancel them."""
    for _ in range(LOOP_TURNS):
        left = asyncio.all_tasks() - known - {asyncio.current_task()}
        if not left:
            return []
        await asyncio.sleep(0)
    names = sorted(f"task {task.get_name()}: {task.get_coro()!r}" for task in left)
    for task in left:
        if task is not None:
            task.cancel()
    return names


@contextlib.contextmanager
def watch(*, files: bool) -> Iterator[list[str]]:
    """Collect into the yielded list whatever the body leaves behind; ``files``: descriptors too."""
    leaks: list[str] = []
    threads, processes = set(threading.enumerate()), children()
    opened = descriptors() if files else {}
    lost = LostErrors()
    logger = logging.getLogger("asyncio")
    logger.addHandler(lost)
    try:
        yield leaks
    finally:
        gc.collect()  # a task in a reference cycle reports its lost exception only now
        logger.removeHandler(lost)
        leaks += [f"exception: {text}" for text in lost.messages]
        leaks += [f"thread {t.name}" for t in settle(lambda: set(threading.enumerate()), threads)]
        leaks += [end_process(pid) for pid in settle(children, processes)]
        if files:
            now = descriptors()
            leaks += [
                f"descriptor {fd}: {now[fd]}" for fd in sorted(now) if opened.get(fd) != now[fd]
            ]


def end_process(pid: int) -> str:
    """Kill a child that a test left, so that it disturbs no other test, and describe it."""
    text = f"process {pid}: {command_of(pid)}"
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return text
