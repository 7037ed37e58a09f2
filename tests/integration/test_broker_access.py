"""Who may say what to whom: both sets of rules in a real mosquitto, judged by what is delivered.

One is made from the members, user by user; the other is the shipped fleet.acl. What only the first
forbids is in ``test_broker_grants``.

What is forbidden is in ``test_forbidden_actions.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.client import Will
from support.company import (
    RULES,
    TOPICS,
    Connect,
    RuledBroker,
    company,
    connections,
    lose_and_return,
    mailbox,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_BODY = 65536 - 1024


@pytest.fixture(scope="module", params=RULES)
def broker(request: pytest.FixtureRequest) -> Iterator[RuledBroker]:
    with company(request.param) as running:
        yield running


@pytest.fixture
def connect(broker: RuledBroker) -> Iterator[Connect]:
    with connections(broker) as connect:
        yield connect


@pytest.mark.parametrize(
    ("writer", "reader"), [("alice", "cam1"), ("cam1", "alice"), ("bob", "cam2"), ("cam2", "bob")]
)
def test_a_session_reaches_its_peer(connect: Connect, writer: str, reader: str) -> None:
    receiving = connect(reader)
    assert connect(writer).publish(mailbox(reader, writer), b"hello") == "Success"
    assert not receiving.wait_for(mailbox(reader, writer), b"hello").retained


@pytest.mark.parametrize("viewer", ["alice", "bob"])
def test_a_status_reaches_viewers_who_come_later(connect: Connect, viewer: str) -> None:
    status = TOPICS.status("cam2")
    assert connect("cam2").publish(status, b"online", retain=True) in {
        "Success",
        "No matching subscribers",
    }
    late = connect(viewer)
    late.subscribe(status)
    assert late.wait_for(status, b"online").retained


def test_a_device_reads_its_own_status(connect: Connect) -> None:
    """So that it finds out when another program uses its identity."""
    cam1 = connect("cam1")
    cam1.subscribe(TOPICS.status("cam1"))
    cam1.publish(TOPICS.status("cam1"), b"mine", retain=True)
    cam1.wait_for(TOPICS.status("cam1"), b"mine")


def test_a_will_on_its_own_status_is_published(connect: Connect) -> None:
    status = TOPICS.status("cam1")
    alice = connect("alice")
    alice.subscribe(status)
    lose_and_return(connect, "cam1", Will(topic=status, payload=b"gone", retain=True))
    alice.wait_for(status, b"gone")


def test_a_message_of_permitted_size_passes(connect: Connect) -> None:
    cam1 = connect("cam1")
    body = b"x" * LARGEST_BODY
    assert connect("alice").publish(mailbox("cam1", "alice"), body) == "Success"
    cam1.wait_for(mailbox("cam1", "alice"), body)


def test_two_programs_of_one_viewer_live_side_by_side(connect: Connect) -> None:
    """The window and a command line share one account: the broker binds no client id to it."""
    window, terminal, cam1 = connect("alice"), connect("alice"), connect("cam1")
    for client in (window, terminal):
        assert client.publish(mailbox("cam1", "alice"), b"still here") == "Success"
    cam1.publish(mailbox("alice", "cam1"), b"to both")
    for client in (window, terminal):
        client.wait_for(mailbox("alice", "cam1"), b"to both")


@pytest.mark.parametrize("reader", ["cam1", "cam2", "alice", "bob"])
def test_everybody_hears_the_owner(broker: RuledBroker, connect: Connect, reader: str) -> None:
    """A revocation is delivered to whoever is there, and to whoever comes later."""
    topic = TOPICS.owner_state()
    listening = connect(reader)
    listening.subscribe(topic)
    broker.credentials("viewer", "carol")
    broker.remove("carol")
    (broker.root / "carol.viewer.yaml").unlink()
    said = listening.wait_next(topic).payload
    late = connect(reader)
    late.subscribe(topic)
    assert late.wait_for(topic, said).retained
