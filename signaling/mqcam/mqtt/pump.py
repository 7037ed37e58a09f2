"""Let a client that only takes steps live in the event loop: when its socket is ready, it steps.

It must not know which library the client is from, nor what it reads and writes.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

READS_PER_TURN = 64
"""TLS records that were read ahead are worked off without starving the rest of the loop."""
LONGEST_TICK_S = 1.0
TICKS_PER_KEEPALIVE = 5


class Steps(Protocol):
    """What a client can be told to do, each without blocking."""

    def loop_read(self) -> object:
        """Read one packet."""

    def loop_write(self) -> object:
        """Write what waits, as far as the socket takes it."""

    def loop_misc(self) -> object:
        """Look after keep-alive."""

    def want_write(self) -> bool:
        """Tell whether something waits to be written."""


class Pump:
    """Call a client's steps from ``start`` to ``stop``, never two at once.

    ``on_turn`` is called after each turn of reading, ``on_failure`` with what a step raised.
    """

    def __init__(
        self,
        client: Steps,
        sock: socket.socket,
        *,
        keepalive_s: float,
        on_turn: Callable[[], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._client = client
        self._sock = sock
        self._descriptor = sock.fileno()
        self._tick_s = min(LONGEST_TICK_S, keepalive_s / TICKS_PER_KEEPALIVE)
        self._on_turn = on_turn
        self._on_failure = on_failure
        self._loop = asyncio.get_running_loop()
        self._drain_is_due = False
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch the socket and the time."""
        self._loop.add_reader(self._descriptor, self._readable)
        if self._client.want_write():
            self.write_soon()
        self._tick()

    def stop(self) -> None:
        """Take no more steps; the socket is the owner's to close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._descriptor = -1

    def write_soon(self) -> None:
        """Write after the code that runs now, which may be the client's own.

        Its lock may be held and not re-entrant: writing at once would wait for ever.
        """
        if not self._drain_is_due:
            self._drain_is_due = True
            self._loop.call_soon(self._drain)

    def _readable(self) -> None:
        self._guard(self._read)
        self._on_turn()

    def _read(self) -> None:
        for _ in range(READS_PER_TURN):
            self._client.loop_read()
            if self._descriptor < 0 or not self._is_read_ahead():
                return
        self._loop.call_soon(self._readable)

    def _is_read_ahead(self) -> bool:
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def _drain(self) -> None:
        """Write at once; watch the socket only while the kernel's buffer is full."""
        self._drain_is_due = False
        self._guard(self._client.loop_write)
        if self._descriptor < 0:
            return
        if self._client.want_write():
            self._loop.add_writer(self._descriptor, self._drain)
        else:
            self._loop.remove_writer(self._descriptor)

    def _tick(self) -> None:
        self._timer = None
        self._guard(self._client.loop_misc)
        if self._descriptor >= 0:
            self._timer = self._loop.call_later(self._tick_s, self._tick)

    def _guard(self, step: Callable[[], object]) -> None:
        if self._descriptor < 0:
            return
        try:
            step()
        except Exception as error:  # noqa: BLE001 - the owner ends the connection and logs it
            self._on_failure(error)
