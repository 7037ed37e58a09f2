"""Letting in and shutting out while the broker runs, and what survives its restart."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Kind, load_credentials
from mqcam.protocol.topics import Namespace
from mqcam_broker.changes.membership import remove_member
from mqcam_broker.mosquitto.process import Reload, running_broker
from support.broker import SUCCESS, ShippedBroker, log_in
from support.client import BareClient

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = Namespace()


@pytest.fixture
def broker() -> Iterator[ShippedBroker]:
    with ShippedBroker() as shipped:
        yield shipped


def member(broker: ShippedBroker, name: str) -> BareClient:
    kind: Kind = "device" if name.startswith("cam") else "viewer"
    return BareClient(load_credentials(broker.credentials(kind, name)))


def test_who_is_added_gets_in_without_a_restart(broker: ShippedBroker) -> None:
    pid = broker.pid
    with member(broker, "cam1"), member(broker, "alice"):
        assert broker.pid == pid == running_broker(broker.directory)


def test_adding_one_leaves_the_others_connected(broker: ShippedBroker) -> None:
    with member(broker, "alice") as alice:
        broker.credentials("device", "cam1")
        assert alice.publish(TOPICS.to_device("cam1", "alice", "s1"), b"still here")


def test_who_is_removed_is_cut_off_at_once_and_stays_out(broker: ShippedBroker) -> None:
    """On SIGHUP mosquitto 2.0.11 looks at every connection's password again."""
    credentials = load_credentials(broker.credentials("viewer", "alice"))
    with member(broker, "cam1") as cam1, contextlib.closing(BareClient(credentials)) as alice:
        cam1.subscribe(TOPICS.device_filter("cam1"))
        assert alice.connect(expiry_s=60) == "Success"
        removed = remove_member(broker.directory, "alice")
        assert (removed.member.kind, removed.reload) == ("viewer", Reload.DONE)
        alice.wait_disconnected()
        assert alice.connect() == "Not authorized"
        topic = TOPICS.to_viewer("alice", "cam1", "s1")
        assert cam1.publish(topic, b"x") in {"Success", "No matching subscribers"}


def test_a_name_that_is_free_again_gets_another_password(broker: ShippedBroker) -> None:
    old = load_credentials(broker.credentials("viewer", "alice"))
    broker.remove("alice")
    (broker.root / "alice.viewer.yaml").unlink()
    new = load_credentials(broker.credentials("viewer", "alice"))
    assert log_in(new) == SUCCESS
    assert log_in(old) != SUCCESS


def test_a_change_while_the_broker_is_down_counts_when_it_starts(broker: ShippedBroker) -> None:
    alice = load_credentials(broker.credentials("viewer", "alice"))
    broker.stop()
    assert remove_member(broker.directory, "alice").reload is Reload.NOT_RUNNING
    bob = load_credentials(broker.credentials("viewer", "bob"))
    broker.start()
    assert log_in(bob) == SUCCESS
    assert log_in(alice) != SUCCESS


def test_a_stale_process_number_hits_nobody(broker: ShippedBroker) -> None:
    broker.kill()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bystander:
        broker.directory.process_id.write_text(str(bystander.pid))
        assert running_broker(broker.directory) is None
        broker.command("add-viewer", "alice", "--output", str(broker.root / "a.yaml"))
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_a_retained_status_survives_a_restart(broker: ShippedBroker) -> None:
    status = TOPICS.status("cam1")
    with member(broker, "cam1") as cam1:
        cam1.publish(status, b"online", retain=True)
    broker.stop()
    broker.start()
    with member(broker, "alice") as alice:
        alice.subscribe(status)
        assert alice.wait_for(status, b"online").retained


def test_an_offer_waits_for_a_device_that_is_away_for_a_moment(broker: ShippedBroker) -> None:
    topic = TOPICS.to_device("cam1", "alice", "s1")
    with contextlib.closing(member(broker, "cam1")) as cam1:
        assert cam1.connect(expiry_s=20, clean_start=False) == "Success"
        cam1.subscribe(TOPICS.device_filter("cam1"))
        cam1.drop()
        with member(broker, "alice") as alice:
            assert alice.publish(topic, b"offer") == "Success"
        assert cam1.connect(expiry_s=20, clean_start=False) == "Success"
        cam1.wait_for(topic, b"offer")


def test_another_namespace_has_other_topics() -> None:
    with ShippedBroker(namespace="home") as broker, member(broker, "cam1") as cam1:
        assert cam1.publish("mqcam/v1/d/cam1/status", b"x") == "Not authorized"
        assert cam1.publish("home/v1/d/cam1/status", b"x") != "Not authorized"
