"""One child process that shares our fate: it gets our signals, and ends when we are killed.

It must not know what the child does.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

STOP_TIMEOUT_S = 10.0
WAIT_SLICE_S = 1.0
"""How often a child that was told to stop is compared with its deadline."""
PR_SET_PDEATHSIG = 1
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Child:
    """A child process that is told to stop when we are, whatever the signal; lines of its log."""

    def __init__(self, *, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._stop_by: float | None = None
        self._is_to_start_anew = False
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        # Before the child exists: a signal in between is remembered instead of orphaning it.
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants it so
                self._signals.callback(signal.signal, number, signal.signal(number, self._stop))
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._reader is not None:
            self._reader.join(STOP_TIMEOUT_S)
        if self._process is not None and self._process.stderr is not None:
            self._process.stderr.close()
        self._signals.close()

    @property
    def was_told_to_stop(self) -> bool:
        """Tell whether a signal ended us."""
        return self._stop_by is not None

    @property
    def was_told_to_start_anew(self) -> bool:
        """Tell whether who waited wanted another child."""
        return self._is_to_start_anew

    def start(self, command: list[str], *, user_id: int | None = None) -> None:
        """Start the child, as another user if root asks so."""
        user = None
        if user_id and os.geteuid() == 0:
            user = pwd.getpwuid(user_id)
        self._process = subprocess.Popen(  # noqa: S603 - our own program and path
            command,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            # A signal from the keyboard goes to the whole group: it shall come from us, once.
            process_group=0,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - no thread runs yet
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=os.getgrouplist(user.pw_name, user.pw_gid) if user else None,
        )
        self._reader = threading.Thread(target=self._read, name="broker log", daemon=True)
        self._reader.start()
        if self.was_told_to_stop:
            self._process.terminate()

    def has_ended(self) -> bool:
        """Tell whether the child has ended, or never began."""
        return self._process is None or self._process.poll() is not None

    def wait(self, meanwhile: Callable[[], bool] = lambda: False) -> int:
        """Return the exit code; a child that ignores its order to stop is killed in the end.

        ``meanwhile`` is called every second; when it returns True, the child is ended.
        """
        if self._process is None:
            return 1
        while True:
            try:
                return self._process.wait(WAIT_SLICE_S)
            except subprocess.TimeoutExpired:
                if self._stop_by is not None and time.monotonic() > self._stop_by:
                    self._process.kill()
                elif self._stop_by is None and not self._is_to_start_anew and meanwhile():
                    self._is_to_start_anew = True
                    self._process.terminate()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_by = time.monotonic() + STOP_TIMEOUT_S
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def _read(self) -> None:
        stream = self._process.stderr if self._process is not None else None
        for line in stream or ():
            with contextlib.suppress(OSError):  # who read us is gone; the child goes on
                self._on_line(line)


def dying_with_parent() -> Callable[[], None] | None:
    """Return what lets the kernel end the child when we are killed. Linux only: prctl(2)."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)  # loaded here: little is safe between fork and exec

    def ask() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    return ask
