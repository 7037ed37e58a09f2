"""A program at a terminal of its own, read and typed at by a test.

It must not know which program.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

DEADLINE_S = 20.0


class AtTerminal:
    """One of our programs on a pseudo-terminal; a context manager that ends it."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        columns: int = 160,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.shown = ""
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 100, columns, 0, 0))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{module}.cli", *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, **(environ or {})},
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def until(self, text: str) -> str:
        """Return all that was shown once it holds ``text``; fails after 20 s."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            if not self._read(deadline):
                raise AssertionError(f"{text!r} was not shown, but: {self.shown}")
        return self.shown

    def write(self, text: str) -> None:
        """Type something."""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        self._process.wait()

    def end(self) -> int:
        """Return the exit code once it has ended; fails after 20 s."""
        deadline = time.monotonic() + DEADLINE_S
        while self._read(deadline):
            pass
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def _read(self, deadline: float) -> bool:
        wait_s = max(0.0, deadline - time.monotonic())
        if not select.select([self._ours], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the program has closed its end
            return False
        self.shown += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)
