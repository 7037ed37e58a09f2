"""Drive a protocol endpoint: messages in, effects out, a wake-up at each of its deadlines.

Both ends use it, so it must not know which role it drives, nor what carries the messages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mqcam.log import fields
from mqcam.protocol.effects import Effect, Inbound, Reject, Send
from mqcam.transport import Delivery, Incoming, Outgoing, Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

logger = logging.getLogger(__name__)

REJECT_REPORT_S = 1.0
"""Refused messages are counted and reported at most this often, in seconds."""

MAX_REASONS = 32
"""Different reasons that are counted apart within one report; the rest share one line."""


class Endpoint(Protocol):
    """What the driver needs of a protocol endpoint."""

    @property
    def next_deadline(self) -> float | None:
        """Return the monotonic second at which ``tick`` has something to do."""

    def receive(self, message: Inbound, now: float) -> Sequence[Effect]:
        """Take one message of the other side."""

    def tick(self, now: float) -> Sequence[Effect]:
        """Take the passing of time."""


class Driver:
    """Own the timer of one endpoint and carry out the effects that are the same for both roles.

    ``handle`` gets every other effect, in order; it must not block. ``undelivered`` is told the
    topic and the time of each message of which the broker says that nobody listens.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        handle: Callable[[Effect], None],
        before_tick: Callable[[], None] = lambda: None,
        undelivered: Callable[[str, float], None] = lambda _topic, _now: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint
        self._handle = handle
        self._before_tick = before_tick
        self._undelivered = undelivered
        self._clock = clock
        self._transport: Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rejects: Counter[str] = Counter()
        self._reject_timer: asyncio.TimerHandle | None = None
        self._closed = False

    def bind(self, transport: Transport) -> None:
        """Name the transport that carries what the endpoint sends."""
        self._transport = transport

    def receive(self, message: Incoming) -> None:
        """Hand a message of the transport to the endpoint."""
        if self._closed:
            return
        inbound = Inbound(topic=message.topic, payload=message.payload, retained=message.retained)
        self.apply(self._endpoint.receive(inbound, self._clock()))

    def apply(self, effects: Iterable[Effect]) -> list[asyncio.Future[Delivery]]:
        """Carry out effects in order, then set the timer anew; return the receipts of the sends."""
        receipts: list[asyncio.Future[Delivery]] = []
        for effect in effects:
            if isinstance(effect, Send):
                receipts.append(self._send(effect))
            elif isinstance(effect, Reject):
                self._count(effect)
            else:
                self._handle(effect)
        self._schedule()
        return receipts

    def close(self) -> None:
        """Stop the timers; messages that still arrive are ignored."""
        self._closed = True
        for timer in (self._timer, self._reject_timer):
            if timer is not None:
                timer.cancel()
        self._report_rejects()

    def _send(self, effect: Send) -> asyncio.Future[Delivery]:
        if self._transport is None:
            raise RuntimeError("bind() a transport before the endpoint sends")
        receipt = self._transport.send(outgoing(effect))
        receipt.add_done_callback(partial(self._settled, effect.topic))
        return receipt

    def _settled(self, topic: str, receipt: asyncio.Future[Delivery]) -> None:
        if self._closed or receipt.cancelled() or receipt.exception() is not None:
            return  # what was not taken within its time says nothing about who listens
        if receipt.result() is Delivery.NO_SUBSCRIBERS:
            self._undelivered(topic, self._clock())
            self._schedule()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._endpoint.next_deadline
        if self._closed or deadline is None:
            return
        delay_s = max(0.0, deadline - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._before_tick()
        self.apply(self._endpoint.tick(self._clock()))

    def _count(self, reject: Reject) -> None:
        reason = f"{reject.code}: {reject.text}"
        if reason not in self._rejects and len(self._rejects) >= MAX_REASONS:
            reason = "many different reasons"
        self._rejects[reason] += 1
        if self._reject_timer is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._reject_timer = loop.call_later(REJECT_REPORT_S, self._report_rejects)

    def _report_rejects(self) -> None:
        self._reject_timer = None
        if not self._rejects:
            return
        reason, count = self._rejects.most_common(1)[0]
        total = self._rejects.total()
        self._rejects.clear()
        logger.warning(
            "messages refused",
            extra=fields(count=total, most_often=reason, of_that=count),
        )


def outgoing(effect: Send) -> Outgoing:
    """Turn a ``Send`` effect into what a transport takes."""
    return Outgoing(
        topic=effect.topic, payload=effect.payload, retain=effect.retain, ttl_s=effect.ttl_s
    )
