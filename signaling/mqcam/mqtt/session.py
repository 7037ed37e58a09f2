"""An MQTT 5 session that outlives its connections.

It must not know the protocol of cameras and viewers, nor the MQTT library (``link`` does).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from mqcam.broker import BrokerState, MqttTimings
from mqcam.errors import BrokerError, BrokerTimeout, BrokerUnreachable
from mqcam.log import fields
from mqcam.mqtt.delivery import PostOffice, Receipt
from mqcam.mqtt.directions import Directions
from mqcam.mqtt.intake import Intake
from mqcam.mqtt.link import Link
from mqcam.mqtt.probe import Prober
from mqcam.mqtt.reconnection import Reconnection, most_telling
from mqcam.mqtt.terms import LinkOptions, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.broker import BrokerSettings, Subscription
    from mqcam.mqtt.dial import Opened, Race
    from mqcam.transport import Incoming, Outgoing, Receive

logger = logging.getLogger(__name__)

FILTERS_PER_SUBSCRIBE = 8
"""AWS IoT Core takes no more in one packet."""


class MqttSession:
    """Implement ``Transport`` over MQTT 5, reconnecting for ever.

    The constructor does not connect; one task runs ``run()`` and another may ``stop()`` it.
    ``is_clock_believed`` says whether the dates of certificates can be judged at this moment.
    """

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
        is_clock_believed: Callable[[], bool] = lambda: True,
    ) -> None:
        self._timings = timings or MqttTimings()
        self._directions = Directions(
            settings, timings=self._timings, is_clock_believed=is_clock_believed
        )
        self._intake = Intake(receive)
        self._birth = birth
        self._on_state = on_state
        self._options = LinkOptions(
            client_id=client_id,
            clean_start=clean_start,
            session_expiry_s=session_expiry_s,
            keepalive_s=self._timings.keepalive_s,
            largest_incoming_bytes=self._timings.largest_incoming_bytes,
            username=settings.username,
            password=settings.password,
            will=will,
            will_delay_s=will_delay_s,
        )
        self._required = {item.topic: item for item in subscriptions}
        self._wanted: dict[str, Subscription] = {}
        self._office = PostOffice(
            capacity=self._timings.outbox_messages, window=self._timings.window_messages
        )
        self._reconnection = self._new_reconnection()
        self._random = random.SystemRandom()
        self._state = BrokerState(connected=False)
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()
        self._link: Link | None = None
        self._fruitless_rounds = 0
        self._told: str | None = None
        self._is_leaving = False
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._is_running = False
        self.prober = Prober(self._options, self._timings, is_clock_believed)

    @property
    def state(self) -> BrokerState:
        """Return how the connection stands."""
        return self._state

    @property
    def skips_dates(self) -> bool:
        """Tell whether, for want of a clock, a certificate's dates were not checked."""
        return self._directions.skips_dates

    async def run(self) -> None:
        """Connect and reconnect until ``stop()``; failures are told to ``on_state``.

        Raises ``BrokerTlsError`` if the pinned authority is no certificate.
        """
        if self._is_running:
            raise RuntimeError("a session runs once")
        self._is_running = True
        try:
            self._directions.dialer()
        except BrokerError as error:
            self._set_state(BrokerState(connected=False, error=error))
            self._end()
            raise
        living = asyncio.create_task(self._live(), name="mqcam-mqtt")
        stopping = asyncio.create_task(self._stopping.wait(), name="mqcam-mqtt-stop")
        try:
            await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
        finally:
            for task in (living, stopping):
                task.cancel()
            await asyncio.gather(living, stopping, self.prober.stop(), return_exceptions=True)
            self._end()

    def readdress(self, settings: BrokerSettings) -> None:
        """Go to other addresses, or trust another authority, with the same account.

        A connection to an address that still counts stays. Another one ends without a good-bye, so
        that the broker left behind publishes the will: we are not there any more.
        """
        if settings == self._directions.settings:
            return
        self._directions.change(settings)
        link = self._link
        if link is not None and self._directions.covers(link.address):
            return
        self._reconnection = self._new_reconnection()
        self._fruitless_rounds = 0
        self._state = replace(self._state, error=None)  # what failed there need not fail here
        self._moved.set()
        if link is not None:
            # Later: what tells us of the move may be a message that this very link is reading.
            asyncio.get_running_loop().call_soon(link.close)

    def send(self, message: Outgoing) -> Receipt:
        """Queue a message, see ``Transport.send``."""
        return self._office.send(message)

    async def subscribe(self, subscription: Subscription) -> None:
        """Subscribe now, if connected, and after each reconnection.

        Raises ``SubscribeRefused``, after which it is not tried again, or another
        ``BrokerError`` if the connection ended meanwhile, after which it is.
        """
        self._wanted[subscription.topic] = subscription
        if self._link is None:
            return
        [refusal] = await self._link.subscribe([subscription], self._timings.suback_s)
        if refusal is not None:
            self._wanted.pop(subscription.topic, None)
            raise refusal

    async def unsubscribe(self, topic: str) -> None:
        """End a subscription; raises a ``BrokerError`` if the connection ended meanwhile."""
        self._wanted.pop(topic, None)
        self._required.pop(topic, None)
        if self._link is not None:
            await self._link.unsubscribe(topic, self._timings.suback_s)

    async def wait_connected(self, timeout_s: float) -> None:
        """Wait until subscribed.

        Raises the failure at once if waiting cannot cure it (``retryable`` is false), else the
        last one after ``timeout_s``, or ``BrokerTimeout`` if there was none.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while not self._state.connected and not self._is_hopeless:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            error = self._state.error or BrokerTimeout(f"no connection within {timeout_s:g} s")
            raise error from None
        if not self._state.connected:
            raise self._state.error or BrokerUnreachable("the session has ended")

    @property
    def _is_hopeless(self) -> bool:
        error = self._state.error
        return self._ended.is_set() or (error is not None and not error.retryable)

    async def stop(self, last: Sequence[Outgoing] = ()) -> None:
        """Publish the last messages, say goodbye and end ``run()``, within ``stop_s``."""
        share_s = self._timings.stop_s / 3
        self._is_leaving = True
        receipts = [self.send(message) for message in last] if self._link is not None else []
        if receipts:
            await asyncio.wait(receipts, timeout=share_s)
        if self._link is not None:
            await self._link.disconnect(share_s)
            logger.info("broker left")
        self._stopping.set()
        if not self._is_running:
            self._end()
            return
        try:
            async with asyncio.timeout(share_s):
                await self._ended.wait()
        except TimeoutError:
            logger.warning("the broker session did not end in time")

    # what the link tells

    def on_message(self, message: Incoming) -> None:
        """Hand a message to the receiver, whose errors end here."""
        self._intake.take(message)

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        """Settle a message of ours."""
        self._office.answered(packet_id, code, reason)

    def on_turn(self) -> None:
        """Send what the answers of this turn made room for."""
        self._office.flush()

    # connections, one after the other

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._moved.clear()
            wait_s = 0.0
            try:
                link, welcome = await self._connect()
            except BrokerError as error:
                failure = error
            else:
                self._reconnection.connected(loop.time())
                failure = await self._serve(link, welcome)
            if self._is_leaving:
                return
            if not self._moved.is_set():
                failure, wait_s = self._reconnection.failed(
                    failure, now=loop.time(), jitter=self._random.random()
                )
            self._tell(failure)
            await self._rest(wait_s)

    async def _rest(self, wait_s: float) -> None:
        """Wait before the next attempt, or until there is another place to try."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._moved.wait()

    def _new_reconnection(self) -> Reconnection:
        return Reconnection(
            client_id=self._options.client_id,
            timings=self._timings,
            reconnect_cap_s=self._directions.settings.reconnect_cap_s,
        )

    async def _connect(self) -> tuple[Link, Welcome]:
        """Return a link to the first address that lets us in.

        Sockets are opened side by side, CONNECT is sent to one address at a time and taken back
        before the next: two addresses may lead to one broker, where our second CONNECT would
        throw out the first.
        """
        errors: list[BrokerError] = []
        async with self._directions.dialer().race(self._directions.addresses()) as race:
            while (result := await race.next()) is not None:
                if isinstance(result, BrokerError):
                    errors.append(result)
                    continue
                try:
                    return await self._introduce(result, race)
                except BrokerError as error:
                    errors.append(error)
        self._fruitless_rounds += 1
        raise most_telling(errors)

    async def _introduce(self, opened: Opened, race: Race) -> tuple[Link, Welcome]:
        """Wait for CONNACK: with patience if another address is ready, else to the limit."""
        timings = self._timings
        link = Link(opened.sock, opened.address, self._options, self)
        patience_s = timings.connack_patience_s * 2.0**self._fruitless_rounds
        opening = asyncio.create_task(link.open(timings.connack_s), name="mqcam-connect")
        another = asyncio.create_task(race.another(), name="mqcam-connect-another")
        try:
            await asyncio.wait({opening}, timeout=min(patience_s, timings.connack_s))
            if not opening.done():
                await asyncio.wait({opening, another}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (opening, another):
                task.cancel()
            await asyncio.gather(opening, another, return_exceptions=True)
            if opening.cancelled() or opening.exception() is not None:
                link.close()
        if opening.cancelled():
            raise BrokerTimeout("it did not answer in time", address=str(opened.address))
        welcome = opening.result()
        self._directions.prefer(opened.address)
        self._fruitless_rounds = 0
        return link, welcome

    async def _serve(self, link: Link, welcome: Welcome) -> BrokerError:
        """Use a connection until it ends; return why."""
        try:
            await self._subscribe_all(link)
            if not self._directions.covers(link.address):
                raise BrokerUnreachable("the broker has moved", address=str(link.address))
            self._link = link
            self._set_state(
                replace(self._state, connected=True, address=str(link.address), error=None)
            )
            self._told = None
            session = "resumed" if welcome.session_present else "new"
            logger.debug(
                "broker connected", extra=fields(address=str(link.address), session=session)
            )
            self._office.connected(
                link,
                window=welcome.window,
                largest_packet_bytes=welcome.largest_packet_bytes,
                births=self._births(),
            )
            return await asyncio.shield(link.lost)
        except BrokerError as error:
            return error
        finally:
            self._link = None
            link.close()
            self._office.lost()

    async def _subscribe_all(self, link: Link) -> None:
        """Subscribe anew, also in a resumed session: it repairs what the broker lost."""
        done: set[str] = set()
        while True:  # more may be asked for while we wait
            every = [*self._required.values(), *self._wanted.values()]
            batch = [item for item in every if item.topic not in done][:FILTERS_PER_SUBSCRIBE]
            if not batch:
                return
            refusals = await link.subscribe(batch, self._timings.suback_s)
            for item, refusal in zip(batch, refusals, strict=False):
                if refusal is None:
                    continue
                if item.topic in self._required:
                    raise refusal
                logger.warning("subscription refused", extra=fields(reason=refusal))
                self._wanted.pop(item.topic, None)
            done.update(item.topic for item in batch)

    def _births(self) -> Sequence[Outgoing]:
        if self._birth is None:
            return ()
        try:
            return self._birth()
        except Exception:
            logger.exception("no status is published: making it failed")
            return ()

    def _tell(self, failure: BrokerError) -> None:
        """Make a failure known: always as state, in the log when it differs from the last."""
        was_connected = self._state.connected
        reconnects = self._state.reconnects + was_connected
        self._set_state(BrokerState(connected=False, error=failure, reconnects=reconnects))
        if str(failure) != self._told:
            self._told = str(failure)
            event = "broker lost" if was_connected else "broker not reached"
            # That it does not give up is said here: until something changes, it is silent.
            logger.warning(event, extra=fields(reason=f"{failure}; trying again until it answers"))

    def _set_state(self, state: BrokerState) -> None:
        self._state = state
        self._changed.set()
        if self._on_state is None:
            return
        try:
            self._on_state(state)
        except Exception:
            logger.exception("a change of the broker's state was not handled")

    def _end(self) -> None:
        self._ended.set()
        self._changed.set()
        self._office.close()
        if self._state.connected:
            self._set_state(replace(self._state, connected=False))
