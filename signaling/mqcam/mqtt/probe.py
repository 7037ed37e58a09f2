"""Would a broker let us in? A connection to find out, beside the one that is in use.

It must not know who asks, nor the session: it subscribes to nothing, says nothing and leaves.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.errors import BrokerError
from mqcam.mqtt.directions import Directions
from mqcam.mqtt.link import Link
from mqcam.mqtt.reconnection import most_telling

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.broker import BrokerSettings, MqttTimings
    from mqcam.mqtt.terms import LinkOptions
    from mqcam.transport import Incoming

SUFFIX = "-probe"
"""Another client id: with ours we would throw ourselves out where both places are one broker."""


class _Nobody:
    """Is told what arrives and lets it lie."""

    def on_message(self, message: Incoming) -> None:
        """Let it lie."""

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Let it lie."""

    def on_turn(self) -> None:
        """Let it lie."""


class Prober:
    """Probe for one session, one place at a time, until the session stops."""

    def __init__(
        self, options: LinkOptions, timings: MqttTimings, is_clock_believed: Callable[[], bool]
    ) -> None:
        self._options = options
        self._timings = timings
        self._is_clock_believed = is_clock_believed
        self._task: asyncio.Task[None] | None = None
        self._is_stopped = False

    def start(self, settings: BrokerSettings, tell: Callable[[BrokerError | None], None]) -> None:
        """Call ``tell`` with why we would not be let in, or None; do nothing while one probe runs.

        It is never called once the session stops.
        """
        is_busy = self._task is not None and not self._task.done()
        if not (is_busy or self._is_stopped):
            self._task = asyncio.create_task(self._probe(settings, tell), name="mqcam-probe")

    async def stop(self) -> None:
        """End a probe that runs, and begin no other."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _probe(
        self, settings: BrokerSettings, tell: Callable[[BrokerError | None], None]
    ) -> None:
        failure: BrokerError | None = None
        try:
            directions = Directions(
                settings, timings=self._timings, is_clock_believed=self._is_clock_believed
            )
            await _try(directions, self._options, self._timings)
        except BrokerError as error:
            failure = error
        tell(failure)


async def _try(directions: Directions, options: LinkOptions, timings: MqttTimings) -> None:
    """Return when one of the addresses has let us in; raise the most telling BrokerError."""
    stranger = replace(
        options,
        client_id=options.client_id + SUFFIX,
        clean_start=True,
        session_expiry_s=0,
        will=None,
        will_delay_s=0,
    )
    errors: list[BrokerError] = []
    async with directions.dialer().race(directions.addresses()) as race:
        while (result := await race.next()) is not None:
            if isinstance(result, BrokerError):
                errors.append(result)
                continue
            link = Link(result.sock, result.address, stranger, _Nobody())
            try:
                await link.open(timings.connack_s)
                await link.disconnect(timings.stop_s)
            except BrokerError as error:
                errors.append(error)
            else:
                return
            finally:
                link.close()
    raise most_telling(errors)
