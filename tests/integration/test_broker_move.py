"""A broker that moves, or is said to: sessions follow the owner's word between real mosquittos."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from mqcam.broker import BrokerState, Subscription
from mqcam.errors import BrokerTlsError
from mqcam.mqtt import MqttSession
from mqcam.transport import Delivery, Outgoing
from mqcam.trust.ownerstate import OwnerState
from mqcam.whereabouts import Whereabouts
from support.certificates import Authority
from support.mosquitto import Mosquitto, free_port, mosquitto, running_mosquitto
from support.mqtt_sessions import PATIENCE_S, Watched, settings, watched

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mqcam.broker import BrokerSettings

SHORT_S = 0.5
"""Stands for the minute after which the other place is tried."""


class Moving(Watched):
    """A watched session that goes where the owner says."""

    def __init__(
        self, given: BrokerSettings, state: OwnerState, kept: Path | None, patience_s: float
    ) -> None:
        super().__init__()
        self.whereabouts = Whereabouts(
            given,
            remembered=state,
            readdress=self._readdress,
            call_later=lambda delay_s, call: asyncio.get_running_loop().call_later(delay_s, call),
            probe=lambda where, tell: self.session.prober.start(where, tell),  # noqa: PLW0108
            kept=kept,
            patience_s=patience_s,
            look_s=SHORT_S,
        )
        self.session = MqttSession(
            self.whereabouts.settings,
            client_id="mover",
            receive=self.receive,
            clean_start=False,
            session_expiry_s=20,
            subscriptions=[Subscription(topic="t")],
            will=Outgoing(topic="w", payload=b"gone"),
            on_state=self.on_state,
        )

    def on_state(self, state: BrokerState) -> None:
        """Keep a state, and obey it."""
        super().on_state(state)
        self.whereabouts.note(state)

    def _readdress(self, where: BrokerSettings) -> None:
        self.session.readdress(where)

    async def until_at(self, broker: Mosquitto) -> None:
        """Wait until this broker has let us in."""
        await self.until(lambda _: self.session.state.connected and self.is_at(broker))

    def is_at(self, broker: Mosquitto) -> bool:
        """Tell whether the last connection was to this broker."""
        return self.session.state.address == broker.url


@contextlib.asynccontextmanager
async def moving(
    given: BrokerSettings,
    state: OwnerState | None = None,
    *,
    kept: Path | None = None,
    patience_s: float = SHORT_S,
) -> AsyncIterator[Moving]:
    found = Moving(given, state or OwnerState(), kept, patience_s)
    running = asyncio.create_task(found.session.run(), name="moving session")
    try:
        yield found
    finally:
        found.whereabouts.close()
        await found.session.stop()
        await running


@contextlib.asynccontextmanager
async def encrypted(authority: Authority) -> AsyncIterator[Mosquitto]:
    certificate = authority.issue("mqcam-broker")
    files = ("certfile {folder}/server.pem", "keyfile {folder}/server.key")
    async with mosquitto(protocol="mqtts", listener=files) as broker:
        broker.file("server.pem", certificate.certificate_pem)
        broker.file("server.key", certificate.key_pem)
        await broker.start()
        yield broker


async def test_a_move_leads_to_the_new_broker_and_the_old_one_tells_that_we_left() -> None:
    async with (
        running_mosquitto() as old,
        running_mosquitto() as new,
        moving(settings(old.url), patience_s=PATIENCE_S) as mover,
        watched(settings(old.url), "left behind", topics=["w"]) as witness,
    ):
        await mover.until_at(old)
        mover.whereabouts.obey(OwnerState(number=1, brokers=(new.url,)))
        await mover.until_at(new)
        await witness.until_received(1)
        assert witness.payloads == [b"gone"]
        async with watched(settings(new.url), "speaker") as speaker:
            receipt = speaker.session.send(Outgoing(topic="t", payload=b"here"))
            assert await receipt is Delivery.ACCEPTED
            await mover.until_received(1)


async def test_a_word_that_arrives_over_the_link_that_it_ends_is_obeyed() -> None:
    """The message is still being read when the connection that brought it is to be closed."""
    async with (
        running_mosquitto() as old,
        running_mosquitto() as new,
        moving(settings(old.url)) as mover,
        watched(settings(old.url), "owner") as owner,
    ):
        await mover.until_at(old)
        mover.session._intake._receive = lambda _: mover.whereabouts.obey(
            OwnerState(number=1, brokers=(new.url,))
        )
        owner.session.send(Outgoing(topic="t", payload=b"go"))
        await mover.until_at(new)


async def test_a_move_to_nowhere_ends_at_the_old_broker() -> None:
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    async with running_mosquitto() as old, moving(settings(old.url)) as mover:
        await mover.until_at(old)
        mover.whereabouts.obey(OwnerState(number=1, brokers=(nowhere,)))
        await mover.until(lambda _: not mover.session.state.connected)
        began_at = asyncio.get_running_loop().time()
        await mover.until_at(old)
        assert asyncio.get_running_loop().time() - began_at > SHORT_S / 2


async def test_whoever_went_back_finds_the_new_broker_when_the_old_one_ends() -> None:
    async with running_mosquitto() as old, running_mosquitto() as new:
        await new.kill()
        async with moving(settings(old.url)) as mover:
            await mover.until_at(old)
            mover.whereabouts.obey(OwnerState(number=1, brokers=(new.url,)))
            await mover.until(lambda _: not mover.session.state.connected)
            await mover.until_at(old)
            await new.start()
            await old.kill()
            await mover.until_at(new)


async def test_whoever_went_back_goes_to_the_new_broker_once_it_runs_though_the_old_one_does() -> (
    None
):
    """The old connection serves until the new broker lets us in."""
    async with running_mosquitto() as old, running_mosquitto() as new:
        await new.kill()
        async with moving(settings(old.url)) as mover:
            await mover.until_at(old)
            mover.whereabouts.obey(OwnerState(number=1, brokers=(new.url,)))
            await mover.until(lambda _: not mover.session.state.connected)
            await mover.until_at(old)
            states = len(mover.states)
            await new.start()
            await mover.until_at(new)
            assert [state.connected for state in mover.states[states:]] == [False, True]
            assert "mover-probe" not in old.log


async def test_a_probe_leaves_the_broker_in_peace_that_is_also_the_one_in_use() -> None:
    async with running_mosquitto() as broker, watched(settings(broker.url)) as both:
        await both.until(lambda _: both.session.state.connected)
        found = asyncio.get_running_loop().create_future()
        both.session.prober.start(settings(broker.url), found.set_result)
        assert await asyncio.wait_for(found, PATIENCE_S) is None
        both.session.prober.start(settings(f"mqtt://127.0.0.1:{free_port()}"), lambda _: None)
        assert both.session.state.connected
        assert both.session.state.reconnects == 0


async def test_after_a_restart_the_new_broker_is_first_and_the_old_one_is_found_too() -> None:
    moved = OwnerState(number=1, brokers=(f"mqtt://127.0.0.1:{free_port()}",))
    async with running_mosquitto() as old, moving(settings(old.url), moved) as mover:
        await mover.until_at(old)
        assert not mover.states[0].connected


async def test_a_second_move_to_nowhere_ends_at_the_first_after_a_restart(tmp_path: Path) -> None:
    nowhere = f"mqtt://127.0.0.1:{free_port()}"
    kept = tmp_path / "front.broker"
    async with running_mosquitto() as second:
        given = settings(f"mqtt://127.0.0.1:{free_port()}")
        async with moving(
            given, OwnerState(number=1, brokers=(second.url,)), kept=kept, patience_s=PATIENCE_S
        ) as mover:
            await mover.until_at(second)
        async with moving(given, OwnerState(number=2, brokers=(nowhere,)), kept=kept) as mover:
            await mover.until_at(second)


async def test_the_bundle_replaces_the_pinned_authority() -> None:
    """A bundle names the authority of today and the coming one; then today's is taken back."""
    today, coming = Authority("today"), Authority("coming")
    async with (
        encrypted(today) as old,
        encrypted(coming) as new,
        moving(settings(old.url, ca_pem=today.pem), patience_s=PATIENCE_S) as mover,
    ):
        await mover.until_at(old)
        bundle = today.pem + coming.pem
        mover.whereabouts.obey(OwnerState(number=1, brokers=(old.url,), ca=bundle))
        assert mover.session.state.connected
        mover.whereabouts.obey(OwnerState(number=2, brokers=(new.url,), ca=bundle))
        await mover.until_at(new)
        mover.whereabouts.obey(OwnerState(number=3, brokers=(old.url,), ca=coming.pem))
        await mover.until_error(BrokerTlsError)
        assert not mover.session.state.connected
