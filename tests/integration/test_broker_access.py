"""Who may say what to whom: the shipped rules in a real mosquitto, judged by what is delivered.

mosquitto accepts subscriptions to anything and filters at delivery, so that its answers prove
nothing. That something is *not* delivered is seen without waiting: a message that is allowed is
sent after it to the same reader, and one broker thread keeps their order.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Kind, load_credentials
from mqcam.protocol.topics import Namespace
from support.broker import ShippedBroker
from support.client import DISCONNECTED, BareClient, Will

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOPICS = Namespace()
KINDS: dict[str, Kind] = {"cam1": "device", "cam2": "device", "alice": "viewer", "bob": "viewer"}
LARGEST_PACKET = 65536


@pytest.fixture(scope="module")
def broker() -> Iterator[ShippedBroker]:
    with ShippedBroker() as shipped:
        for name, kind in KINDS.items():
            shipped.credentials(kind, name)
        yield shipped


@pytest.fixture
def connect(broker: ShippedBroker) -> Iterator[Callable[..., BareClient]]:
    """Connect as a member, by default with the subscriptions that its program makes."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:

        def as_member(name: str, *, suffix: str = "", will: Will | None = None) -> BareClient:
            credentials = load_credentials(broker.credentials(KINDS[name], name))
            client_id = f"{name}-{suffix or next(numbers)}"
            client = BareClient(credentials, client_id=client_id, will=will)
            stack.enter_context(client)
            own = TOPICS.device_filter if KINDS[name] == "device" else TOPICS.viewer_filter
            client.subscribe(own(name))
            return client

        yield as_member


def mailbox(reader: str, writer: str, session: str = "s1") -> str:
    to = TOPICS.to_device if KINDS[reader] == "device" else TOPICS.to_viewer
    return to(reader, writer, session)


@pytest.mark.parametrize(("writer", "reader"), [("alice", "cam1"), ("cam1", "alice")])
def test_a_session_reaches_its_peer(
    connect: Callable[..., BareClient], writer: str, reader: str
) -> None:
    receiving = connect(reader)
    assert connect(writer).publish(mailbox(reader, writer), b"hello") == "Success"
    assert not receiving.wait_for(mailbox(reader, writer), b"hello").retained


def test_a_status_reaches_viewers_who_come_later(connect: Callable[..., BareClient]) -> None:
    status = TOPICS.status("cam1")
    assert connect("cam1").publish(status, b"online", retain=True) in {
        "Success",
        "No matching subscribers",
    }
    late = connect("alice")
    late.subscribe(status)
    assert late.wait_for(status, b"online").retained


def test_a_device_reads_its_own_status(connect: Callable[..., BareClient]) -> None:
    """So that it finds out when another program uses its identity."""
    cam1 = connect("cam1")
    cam1.subscribe(TOPICS.status("cam1"))
    cam1.publish(TOPICS.status("cam1"), b"mine", retain=True)
    cam1.wait_for(TOPICS.status("cam1"), b"mine")


FORGERIES = {
    "a viewer writes as another viewer": ("bob", "cam1", mailbox("cam1", "alice")),
    "a viewer writes as a device": ("bob", "alice", mailbox("alice", "cam1")),
    "a device writes as another device": ("cam2", "alice", mailbox("alice", "cam1")),
    "a device writes as a viewer": ("cam2", "cam1", mailbox("cam1", "alice")),
    "a viewer adds a topic level": ("bob", "cam1", mailbox("cam1", "bob") + "/more"),
    "a viewer leaves out the session": ("bob", "cam1", "mqcam/v1/d/cam1/in/bob"),
    "a viewer writes into its own mailbox as a device": ("bob", "bob", mailbox("bob", "cam1")),
}


@pytest.mark.parametrize(("forger", "reader", "topic"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_sender_is_not_delivered(
    connect: Callable[..., BareClient], forger: str, reader: str, topic: str
) -> None:
    receiving = connect(reader)
    # As wide as it gets: a message that is not in its mailbox would be noticed too.
    receiving.subscribe(f"mqcam/v1/{'d' if KINDS[reader] == 'device' else 'v'}/{reader}/#")
    assert connect(forger).publish(topic, b"forged") == "Not authorized"
    peer = "alice" if KINDS[reader] == "device" else "cam1"
    connect(peer).publish(mailbox(reader, peer, "later"), b"genuine")
    receiving.wait_for(mailbox(reader, peer, "later"), b"genuine")
    assert b"forged" not in {message.payload for message in receiving.received}


@pytest.mark.parametrize("forger", ["bob", "cam2"])
def test_a_foreign_status_is_not_delivered(connect: Callable[..., BareClient], forger: str) -> None:
    status = TOPICS.status("cam1")
    alice = connect("alice")
    alice.subscribe(status)
    assert connect(forger).publish(status, b"forged", retain=True) == "Not authorized"
    connect("cam1").publish(status, b"genuine", retain=True)
    alice.wait_for(status, b"genuine")
    assert b"forged" not in {message.payload for message in alice.received}


@pytest.mark.parametrize(
    "topic", ["mqcam/v1/owner/state", "mqcam/v2/d/bob/status", "notes", "$SYS/x"]
)
def test_nobody_writes_beside_the_topics_of_the_protocol(
    connect: Callable[..., BareClient], topic: str
) -> None:
    assert connect("bob").publish(topic, b"x", retain=True) == "Not authorized"


def lose_and_return(connect: Callable[..., BareClient], name: str, will: Will) -> None:
    """Lose a client with a will; its return under the same id proves that the will is done."""
    connect(name, suffix="lost", will=will).drop()
    connect(name, suffix="lost")


def test_a_will_on_its_own_status_is_published(connect: Callable[..., BareClient]) -> None:
    status = TOPICS.status("cam1")
    alice = connect("alice")
    alice.subscribe(status)
    lose_and_return(connect, "cam1", Will(topic=status, payload=b"gone", retain=True))
    alice.wait_for(status, b"gone")


@pytest.mark.parametrize("forger", ["bob", "cam2"])
def test_a_will_on_a_foreign_status_is_not_published(
    connect: Callable[..., BareClient], forger: str
) -> None:
    status = TOPICS.status("cam1")
    alice = connect("alice")
    alice.subscribe(status)
    lose_and_return(connect, forger, Will(topic=status, payload=b"forged", retain=True))
    connect("cam1").publish(status, b"genuine", retain=True)
    alice.wait_for(status, b"genuine")
    assert b"forged" not in {message.payload for message in alice.received}


@pytest.mark.parametrize(
    "topic_filter",
    [
        "#",
        "+/#",
        "mqcam/#",
        "mqcam/v1/#",
        "mqcam/v1/v/alice/in/+/+",
        "mqcam/v1/v/+/in/+/+",
        "mqcam/v1/v/+/in/cam1/+",
        "mqcam/v1/d/+/in/+/+",
        "mqcam/v1/d/cam1/in/alice/+",
        "mqcam/v1/d/cam1/in/alice/s1",
        "$share/group/mqcam/v1/v/alice/in/+/+",
        "$share/group/#",
    ],
)
@pytest.mark.parametrize("eavesdropper", ["bob", "cam2"])
def test_foreign_mailboxes_stay_closed(
    connect: Callable[..., BareClient], eavesdropper: str, topic_filter: str
) -> None:
    spy, alice, cam1 = connect(eavesdropper), connect("alice"), connect("cam1")
    spy.subscribe(topic_filter)
    alice.publish(mailbox("cam1", "alice"), b"offer")
    cam1.publish(mailbox("alice", "cam1"), b"answer")
    cam1.wait_for(mailbox("cam1", "alice"), b"offer")
    alice.wait_for(mailbox("alice", "cam1"), b"answer")
    peer = cam1 if eavesdropper == "bob" else alice
    name = "cam1" if eavesdropper == "bob" else "alice"
    peer.publish(mailbox(eavesdropper, name), b"for you")
    spy.wait_for(mailbox(eavesdropper, name), b"for you")
    assert not {b"offer", b"answer"} & {message.payload for message in spy.received}


def test_a_message_of_permitted_size_passes(connect: Callable[..., BareClient]) -> None:
    cam1 = connect("cam1")
    body = b"x" * (LARGEST_PACKET - 1024)
    assert connect("alice").publish(mailbox("cam1", "alice"), body) == "Success"
    cam1.wait_for(mailbox("cam1", "alice"), body)


def test_a_message_above_the_limit_ends_its_senders_connection(
    connect: Callable[..., BareClient],
) -> None:
    cam1, alice = connect("cam1"), connect("alice")
    assert alice.publish(mailbox("cam1", "alice"), b"x" * LARGEST_PACKET) == DISCONNECTED
    bob = connect("bob")
    bob.publish(mailbox("cam1", "bob"), b"next")
    cam1.wait_for(mailbox("cam1", "bob"), b"next")
    assert [message.payload for message in cam1.received] == [b"next"]


def test_two_programs_of_one_viewer_live_side_by_side(connect: Callable[..., BareClient]) -> None:
    """The window and a command line share one account: the broker binds no client id to it."""
    window, terminal, cam1 = connect("alice"), connect("alice"), connect("cam1")
    for client in (window, terminal):
        assert client.publish(mailbox("cam1", "alice"), b"still here") == "Success"
    cam1.publish(mailbox("alice", "cam1"), b"to both")
    for client in (window, terminal):
        client.wait_for(mailbox("alice", "cam1"), b"to both")
