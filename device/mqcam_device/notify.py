"""Tell systemd how the agent is: ready, its status, alive, stopping (sd_notify(3)).

It must not know what "alive" means here: whoever hands ``is_alive`` over has looked.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING

from mqcam.log import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_MAX_STATUS = 200


class Notifier:
    """Speaks to the service manager that started this process; does nothing if there is none."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_s = _watchdog_s(environ)
        self._status = ""

    @property
    def watchdog_interval_s(self) -> float | None:
        """How often to call ``watchdog``: half of what systemd waits; None if it does not watch."""
        return self._watchdog_s / 2 if self._watchdog_s and self._address else None

    def ready(self, status: str = "") -> None:
        """Say that the start is complete."""
        self._send("READY=1", *self._changed(status))

    def status(self, text: str) -> None:
        """Show a sentence in ``systemctl status``; the same one again is not sent."""
        self._send(*self._changed(text))

    def watchdog(self) -> None:
        """Say that the agent is alive."""
        self._send("WATCHDOG=1")

    async def keep_alive(self, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Call ``watchdog`` as often as systemd wants until cancelled, but only while alive.

        That this runs at all proves that the event loop turns; ``is_alive`` may look further.
        """
        interval_s = self.watchdog_interval_s
        while interval_s is not None:
            if is_alive():
                self.watchdog()
            await asyncio.sleep(interval_s)

    def stopping(self) -> None:
        """Say that the agent ends on purpose."""
        self._send("STOPPING=1")

    def _changed(self, status: str) -> list[str]:
        # One line, because a line break would begin another assignment.
        line = " ".join(status.split())[:_MAX_STATUS]
        if not line or line == self._status:
            return []
        self._status = line
        return [f"STATUS={line}"]

    def _send(self, *assignments: str) -> None:
        if not self._address or not assignments:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)  # a manager that does not read must not stop the video
                sender.sendto("\n".join(assignments).encode(errors="replace"), self._address)
        except OSError as error:
            # Nothing to do about it here: without a sign of life systemd restarts the agent.
            logger.debug("systemd not notified", extra=fields(reason=error.strerror))


def _address(written: str) -> str:
    if written.startswith("@"):
        return "\0" + written[1:]  # the abstract namespace of unix(7)
    return written if written.startswith("/") else ""


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Read sd_watchdog_enabled(3)'s variables; those meant for another process do not count."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    written = environ.get("WATCHDOG_USEC", "")
    is_number = written.isascii() and written.isdigit() and len(written) < len("1" * 18)
    return int(written) / 1_000_000 if is_number and int(written) > 0 else None
