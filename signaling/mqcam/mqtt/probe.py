"""Would a broker let us in? A connection to find out, beside the one that is in use.

It must not know who asks, nor the session: it subscribes to nothing, says nothing and leaves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.errors import BrokerError
from mqcam.mqtt.link import Link
from mqcam.mqtt.reconnection import most_telling

if TYPE_CHECKING:
    from mqcam.broker import MqttTimings
    from mqcam.mqtt.directions import Directions
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


async def probe(directions: Directions, options: LinkOptions, timings: MqttTimings) -> None:
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
