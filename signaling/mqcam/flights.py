"""The flights of one DTLS handshake, each sent again until the peer has answered it.

OpenSSL does that after a second, and its timer cannot be set from Python. So the datagrams are
kept and sent as they were: a peer that has them already drops them (RFC 6347 section 4.1.2.6).
It must not know what a flight says. OpenSSL's own repeats go on: they are new records, which a
foreign server needs whose very last flight was lost.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from mqcam.retransmission import waits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

LAST_FLIGHT_REPEATS: Final = 3
"""Nothing answers the last flight but media, and that may be a while in coming."""


class Flights:
    """Send what a handshake writes through ``send``, and repeat it at twice ``rtt_s``.

    A flight is one datagram of OpenSSL's: the whole handshake fits into four. ``repeated`` counts.
    """

    def __init__(
        self, send: Callable[[bytes], Awaitable[None]], *, rtt_s: float | None = None
    ) -> None:
        self.repeated = 0
        self._send = send
        self._rtt_s = rtt_s
        self._is_answered: Callable[[], bool] | None = None
        self._repeating: asyncio.Task[None] | None = None

    async def send(self, data: bytes) -> None:
        """Send a flight; it takes the place of the one before, which was answered."""
        self.stop()
        await self._send(data)
        self._repeating = asyncio.create_task(self._repeat(data), name="mqcam-dtls-flight")

    def finish(self, is_answered: Callable[[], bool]) -> None:
        """Note that the last flight is on its way: repeat it thrice, unless it is answered."""
        self._is_answered = is_answered

    def stop(self) -> None:
        """Repeat nothing any more."""
        if self._repeating is not None:
            self._repeating.cancel()

    async def _repeat(self, flight: bytes) -> None:
        for count, wait_s in enumerate(waits(self._rtt_s)):
            await asyncio.sleep(wait_s)
            if self._is_answered is not None and (
                count >= LAST_FLIGHT_REPEATS or self._is_answered()
            ):
                return
            try:
                await self._send(flight)
            except ConnectionError:
                return  # whoever reads notices too
            self.repeated += 1
