"""An MQTT 5 session that outlives its connections.

It must not know the protocol of cameras and viewers, nor the MQTT library (``mqtt_link`` does).
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from mqcam.broker import BrokerAddress as BrokerAddress  # noqa: PLC0414 - one import for users
from mqcam.broker import BrokerSettings as BrokerSettings  # noqa: PLC0414
from mqcam.broker import BrokerState as BrokerState  # noqa: PLC0414
from mqcam.broker import MqttTimings as MqttTimings  # noqa: PLC0414
from mqcam.broker import Subscription as Subscription  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.transport import Delivery, Outgoing, Receive

logger = logging.getLogger(__name__)


class MqttSession:
    """Implement ``Transport`` over MQTT 5, reconnecting for ever."""

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        client_id: str,
        receive: Receive,
        clean_start: bool,
        session_expiry_s: int,
        subscriptions: Sequence[Subscription] = (),
        birth: Callable[[], Sequence[Outgoing]] | None = None,
        will: Outgoing | None = None,
        will_delay_s: int = 0,
        on_state: Callable[[BrokerState], None] | None = None,
        timings: MqttTimings | None = None,
    ) -> None:
        raise NotImplementedError

    @property
    def state(self) -> BrokerState:
        """Return how the connection stands."""
        raise NotImplementedError

    async def run(self) -> None:
        """Connect and reconnect until ``stop()``; every failure is told to ``on_state``."""
        raise NotImplementedError

    def send(self, message: Outgoing) -> asyncio.Future[Delivery]:
        """Queue a message, see ``Transport.send``."""
        raise NotImplementedError

    async def subscribe(self, subscription: Subscription) -> None:
        """Subscribe now and after each reconnection; raises ``SubscribeRefused``."""
        raise NotImplementedError

    async def unsubscribe(self, topic: str) -> None:
        """End a subscription."""
        raise NotImplementedError

    async def wait_connected(self, timeout_s: float) -> None:
        """Wait until subscribed; raises the last ``BrokerError``, or ``BrokerTimeout``."""
        raise NotImplementedError

    async def stop(self, last: Sequence[Outgoing] = ()) -> None:
        """Publish the last messages, disconnect and end ``run()``, within two seconds."""
        raise NotImplementedError
