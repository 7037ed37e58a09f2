"""The agent's questions to its capture child that have no answer yet.

It must not know processes or sockets: what is asked goes out through ``send``.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, Final

from mqcam.errors import SourceError

from mqcam_device.capture import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST: Final = 8
"""So many questions may be open at once; a further one is refused."""

_FIRST: Final = 1
"""Number 0 is the supervision's own question."""


class Questions:
    """Numbers questions and hands each answer to whoever asked."""

    def __init__(self, send: Callable[[wire.Message], None]) -> None:
        self._send = send
        self._numbers = itertools.count(_FIRST)
        self._open: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def ask(self, verb: str, args: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        """Return the answer; raises SourceError with a sentence when there is none."""
        if len(self._open) >= MOST:
            raise SourceError("camera", f"{MOST} questions wait for an answer; try again")
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        try:
            self._send(wire.Ask(number=number, verb=verb, args=dict(args), within_s=timeout_s))
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise SourceError("camera", f"did not answer within {timeout_s:g} s") from None
        finally:
            del self._open[number]

    def take(self, reply: wire.Reply) -> None:
        """Hand an answer on; one that came too late is ignored."""
        answer = self._open.get(reply.number)
        if answer is None or answer.done():
            return
        if reply.error:
            answer.set_exception(_error(reply.error))
        else:
            answer.set_result(reply.result)

    def fail(self, reason: str) -> None:
        """Answer all that are open: nobody else will."""
        for answer in self._open.values():
            if not answer.done():
                answer.set_exception(SourceError("camera", reason))


def _error(sentence: str) -> SourceError:
    """Return the error that was turned into a sentence in the child."""
    source, _, reason = sentence.partition(": ")
    return SourceError(source, reason) if reason else SourceError("camera", sentence)
