"""Renewals, moves and adoptions at a mosquitto that runs meanwhile."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.protocol.topics import Namespace
from mqcam.trust.ownerstate import read_owner_state
from mqcam_broker.audit.caller import Account, Door, calling
from mqcam_broker.audit.door import checked_door
from mqcam_broker.certificates.freshness import stale_listeners
from mqcam_broker.certificates.lifespan import KNOWN_AFTER
from mqcam_broker.certificates.renewal import renew
from mqcam_broker.changes.adoption import Adoption, adopt, lines_to_paste
from mqcam_broker.changes.membership import Admission, add_member
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.mosquitto.process import Listener, is_ready, run_broker, running_broker
from mqcam_broker.owner.decree import read_state
from mqcam_broker.owner.publication import publish_state
from support.broker import SUCCESS, ShippedBroker, free_port, log_in
from support.mosquitto import mosquitto

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam.credentials import Credentials
    from mqcam.trust.ownerstate import OwnerState

TOPIC = Namespace().owner_state()


def account(credentials: Credentials) -> Account:
    return Account(name=credentials.username, password=credentials.password)


async def heard(credentials: Credentials, owner: str) -> OwnerState:
    """Return what the broker keeps for a member as the owner's word."""
    settings = credentials.broker_settings()
    door = checked_door(settings.addresses[0], credentials)
    async with calling(door, account(credentials), client_id="who-reads") as caller:
        await caller.subscribe(TOPIC)
        await caller.catch_up()
        [letter] = caller.heard
        return read_owner_state(letter.payload, TOPIC, owner=owner)


async def test_a_new_certificate_is_shown_at_once_and_disturbs_nobody() -> None:
    """SIGHUP is enough for mosquitto 2.0.11; who is connected stays connected."""
    with ShippedBroker() as broker:
        credentials = load_credentials(broker.credentials("viewer", "anna"))
        door = checked_door(credentials.broker_settings().addresses[0], credentials)
        async with calling(door, account(credentials), client_id="who-stays") as caller:
            before = broker.directory.server_certificate.read_bytes()
            assert "The running broker shows it." in broker.command("renew", "--force")
            assert broker.directory.server_certificate.read_bytes() != before
            assert stale_listeners(broker.directory, timeout_s=0) == []
            assert await caller.subscribe(TOPIC) == 1
        assert log_in(credentials) == SUCCESS


def test_browsers_see_a_new_certificate_after_a_restart() -> None:
    """For websockets mosquitto 2.0.11 reads it when it starts, and then only."""
    ws_port = free_port()
    with ShippedBroker(ws_port=ws_port) as broker:
        assert "Restart the broker" in broker.command("renew", "--force")
        [stale] = stale_listeners(broker.directory, timeout_s=0)
        assert stale.port == ws_port
        broker.stop()
        broker.start()
        assert stale_listeners(broker.directory) == []


def test_run_starts_mosquitto_anew_where_that_is_needed() -> None:
    broker = ShippedBroker()
    try:
        pids: list[int | None] = []

        def on_ready(_listener: Listener) -> None:
            pids.append(running_broker(broker.directory))
            if len(pids) > 1:
                os.kill(os.getpid(), signal.SIGTERM)

        code = run_broker(
            broker.directory, on_ready=on_ready, on_line=lambda _: None, meanwhile=lambda: True
        )
        assert code == 0
        assert len(set(pids)) == 2
    finally:
        broker.close()


def test_an_authority_hands_over_to_the_next_without_shutting_anybody_out() -> None:
    with ShippedBroker() as broker:
        directory, first = broker.directory, broker.root / "first.crt"
        first.write_bytes(directory.ca_certificate.read_bytes())
        broker.command("renew", "--new-authority")
        told, listener = broker.root / "told.crt", Listener(port=broker.port, bind="127.0.0.1")
        told.write_text(read_state(directory).ca)
        assert is_ready(listener, anchor=first)
        assert is_ready(listener, anchor=told)
        renew(directory, now=datetime.now(UTC) + KNOWN_AFTER + timedelta(days=1), is_forced=True)
        broker.stop()
        broker.start()
        assert is_ready(listener, anchor=told)
        with pytest.raises(ssl.SSLCertVerificationError):
            raise_distrust(broker.port, first)
        assert log_in(load_credentials(broker.credentials("viewer", "late"))) == SUCCESS


def raise_distrust(port: int, anchor: Path) -> None:
    context = ssl.create_default_context(cafile=str(anchor))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="mqcam-broker"),
    ):
        pass


async def test_a_move_reaches_everybody_who_is_online() -> None:
    with ShippedBroker() as broker:
        anna = load_credentials(broker.credentials("viewer", "anna"))
        assert "It is published" in broker.command("move", f"127.0.0.1:{broker.port}", "nas.local")
        state = await heard(anna, broker.directory.read_owner())
        assert state.brokers == (broker.url, f"mqtts://nas.local:{broker.port}")
        assert state == read_state(broker.directory)


async def test_a_shorter_grant_is_published() -> None:
    with ShippedBroker() as broker:
        file = broker.credentials("viewer", "anna")
        broker.command("renew", "anna", "--days", "3", "--old", str(file))
        anna = load_credentials(file)
        state = await heard(anna, broker.directory.read_owner())
        assert len(state.revoked) == 1


async def test_members_of_an_adopted_broker_come_in_with_what_was_pasted(tmp_path: Path) -> None:
    async with mosquitto(
        "password_file {folder}/users", "acl_file {folder}/rules", anonymous=False
    ) as broker:
        directory = BrokerDirectory(tmp_path / "adopted")
        decisions = BrokerDecisions(addresses=(broker.url,), existing=True)
        user = pwd.getpwuid(os.geteuid()).pw_name
        adopt(directory, Adoption(decisions=decisions, user=user))
        add_member(directory, Admission(kind="viewer", name="anna", output=tmp_path / "anna.yaml"))
        lines = list(lines_to_paste(directory))
        users = [line for line in lines if ":$7$" in line]
        rules = [line for line in lines if line.startswith(("user ", "topic "))]
        broker.file("users", "\n".join(users) + "\n")
        broker.file("rules", "\n".join(rules) + "\n")
        await broker.start()
        anna = load_credentials(tmp_path / "anna.yaml")
        door = Door(address=anna.broker_settings().addresses[0])
        async with calling(door, account(anna), client_id="who-reads") as caller:
            assert caller.is_in
            await caller.subscribe(TOPIC)
            assert (await asyncio.to_thread(publish_state, directory)).is_done
            await caller.catch_up()
            [letter] = caller.heard
        owner = directory.read_owner()
        assert read_owner_state(letter.payload, TOPIC, owner=owner) == read_state(directory)
