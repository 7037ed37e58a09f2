"""Look up host names without blocking the event loop and without waiting longer than asked.

It must not know what the addresses are for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ENDPOINTS = 8
"""A name may stand for many machines; only as many are tried."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A machine as ``socket.connect`` wants it."""

    family: int
    sockaddr: tuple[str | int | bytes, ...]


Answer = asyncio.Future[tuple[Endpoint, ...]]


class Resolver:
    """Run each lookup in a daemon thread of its own.

    ``getaddrinfo`` cannot be cancelled and may hang for half a minute, so a lookup that hangs is
    joined by later askers instead of being started again: there is at most one thread a name.
    The loop's own executor is not used because ``asyncio.run`` would wait for it at exit.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[str, int], Answer] = {}

    async def resolve(self, host: str, port: int, timeout_s: float) -> tuple[Endpoint, ...]:
        """Return the machines that ``host`` stands for.

        Raises ``OSError``, ``UnicodeError`` or ``TimeoutError``.
        """
        if _is_numeric(host):
            return _look_up(host, port, socket.AI_NUMERICHOST)
        answer = self._answers.get((host, port))
        if answer is None or answer.done():
            answer = self._answers[host, port] = self._start(host, port)
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(answer)

    def _start(self, host: str, port: int) -> Answer:
        loop = asyncio.get_running_loop()
        answer: Answer = loop.create_future()
        answer.add_done_callback(_retrieve)

        def look_up() -> None:
            try:
                found = _look_up(host, port)
            except (OSError, UnicodeError) as error:
                _post(loop, _fail, answer, error)
            else:
                _post(loop, _answer, answer, found)

        threading.Thread(target=look_up, name="mqcam-resolve", daemon=True).start()
        return answer


def _is_numeric(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int, flags: int = 0) -> tuple[Endpoint, ...]:
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return tuple(dict.fromkeys(Endpoint(row[0], row[4]) for row in rows))[:MAX_ENDPOINTS]


def _post(loop: asyncio.AbstractEventLoop, callback: Callable[..., None], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(callback, *args)
    except RuntimeError:
        return  # the loop was closed while the lookup hung: nobody asks any more


def _answer(answer: Answer, found: tuple[Endpoint, ...]) -> None:
    if not answer.done():
        answer.set_result(found)


def _fail(answer: Answer, error: Exception) -> None:
    if not answer.done():
        answer.set_exception(error)


def _retrieve(answer: Answer) -> None:
    """Mark an error as seen: the asker may have given up before it came."""
    if not answer.cancelled():
        answer.exception()
