"""Everything that nobody may do at the broker: a real mosquitto, the shipped files, both forms.

mosquitto accepts subscriptions to anything and filters at delivery, so that its answers prove
nothing. That something is *not* delivered is seen without waiting: a message that is allowed is
sent after it to the same reader, and one broker thread keeps their order.

The rules for a fleet differ on purpose in two things, which have tests of their own: everybody sees
every status, and everybody may write into every mailbox, in his own name. Cameras decide then.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import ssl
import warnings
from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.topics import CLIENT_ID_BYTES, new_client_id
from mqcam.trust.ownerstate import read_owner_state
from support.broker import ShippedBroker
from support.client import DISCONNECTED, BareClient, Will
from support.company import (
    FLEET,
    KINDS,
    RULES,
    TOPICS,
    USER_BY_USER,
    Connect,
    RuledBroker,
    company,
    connections,
    lose_and_return,
    mailbox,
    own_filter,
)
from support.handshake import handshake, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam.credentials import Credentials

LARGEST_PACKET = 65536
NEVER_RETAINED = 2
"""MQTT 5, section 3.8.3.1: what an agent asks for when it subscribes to its mailbox."""


@pytest.fixture(scope="module", params=RULES)
def broker(request: pytest.FixtureRequest) -> Iterator[RuledBroker]:
    with company(request.param) as running:
        yield running


@pytest.fixture
def connect(broker: RuledBroker) -> Iterator[Connect]:
    with connections(broker) as connect:
        yield connect


@pytest.fixture(scope="module")
def stranger() -> Iterator[ShippedBroker]:
    """Return a broker of somebody else, set up in the same way and not started."""
    other = ShippedBroker()
    yield other
    other.close()


def payloads(client: BareClient) -> set[bytes]:
    return {message.payload for message in client.received}


# who gets in


def answer_to(credentials: Credentials) -> str:
    with contextlib.closing(BareClient(credentials)) as client:
        return client.connect()


def test_nobody_gets_in_without_a_name(broker: RuledBroker) -> None:
    alice = broker.as_user("alice")
    assert answer_to(dataclasses.replace(alice, username=None, password=None)) == "Not authorized"


def test_nobody_gets_in_with_a_wrong_password(broker: RuledBroker) -> None:
    alice = broker.as_user("alice")
    assert answer_to(dataclasses.replace(alice, password="guess")) == "Not authorized"


def test_nobody_gets_in_with_somebody_elses_password(broker: RuledBroker) -> None:
    alice, cam1 = broker.as_user("alice"), broker.as_user("cam1")
    assert answer_to(dataclasses.replace(alice, password=cam1.password)) == "Not authorized"


def test_an_unknown_user_does_not_get_in(broker: RuledBroker) -> None:
    mallory = dataclasses.replace(broker.as_user("alice"), name="mallory", username="mallory")
    assert answer_to(mallory) == "Not authorized"


def test_the_owners_account_needs_the_owners_password(broker: RuledBroker) -> None:
    owner = dataclasses.replace(broker.as_user("alice"), username="mqcam-owner")
    assert answer_to(owner) == "Not authorized"


@pytest.mark.parametrize("trusts", ["another broker", "public authorities"])
def test_who_does_not_trust_its_authority_hangs_up(
    broker: RuledBroker, stranger: ShippedBroker, trusts: str
) -> None:
    context = pinned(stranger) if trusts == "another broker" else ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(broker, context)


def test_tls_1_1_is_refused(broker: RuledBroker) -> None:
    context = pinned(broker)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # else OpenSSL does not even try
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)) as refusal:
        handshake(broker, context)
    assert "NO_CIPHERS_AVAILABLE" not in str(refusal.value), "refused here, not by the broker"


# in whose name one writes

FORGERIES = {
    "a viewer writes as another viewer": ("bob", "cam1", mailbox("cam1", "alice")),
    "a viewer writes as a device": ("bob", "alice", mailbox("alice", "cam1")),
    "a device writes as another device": ("cam2", "alice", mailbox("alice", "cam1")),
    "a device writes as a viewer": ("cam2", "cam1", mailbox("cam1", "alice")),
    "a viewer adds a topic level": ("bob", "cam2", mailbox("cam2", "bob") + "/more"),
    "a viewer leaves out the session": ("bob", "cam2", "mqcam/v1/d/cam2/in/bob"),
    "a viewer writes into its own mailbox as a device": ("bob", "bob", mailbox("bob", "cam1")),
}


@pytest.mark.parametrize(("forger", "reader", "topic"), FORGERIES.values(), ids=FORGERIES)
def test_a_forged_sender_is_not_delivered(
    connect: Connect, forger: str, reader: str, topic: str
) -> None:
    receiving = connect(reader)
    # As wide as it gets: a message that is not in its mailbox would be noticed too.
    receiving.subscribe(f"mqcam/v1/{'d' if KINDS[reader] == 'device' else 'v'}/{reader}/#")
    assert connect(forger).publish(topic, b"forged") == "Not authorized"
    peer = "alice" if KINDS[reader] == "device" else "cam1"
    connect(peer).publish(mailbox(reader, peer, "later"), b"genuine")
    receiving.wait_for(mailbox(reader, peer, "later"), b"genuine")
    assert b"forged" not in payloads(receiving)


@pytest.mark.parametrize("forger", ["bob", "cam2"])
def test_a_foreign_status_is_not_delivered(connect: Connect, forger: str) -> None:
    status = TOPICS.status("cam1")
    alice = connect("alice")
    alice.subscribe(status)
    assert connect(forger).publish(status, b"forged", retain=True) == "Not authorized"
    connect("cam1").publish(status, b"genuine", retain=True)
    alice.wait_for(status, b"genuine")
    assert b"forged" not in payloads(alice)


WILLS = {
    "on another device's status": (TOPICS.status("cam1"), TOPICS.status("cam1"), "alice"),
    "in another viewer's name": (mailbox("cam1", "alice"), mailbox("cam1", "alice"), "cam1"),
    "in a device's name": (mailbox("alice", "cam1"), mailbox("alice", "cam1"), "alice"),
    "on the owner's state": (TOPICS.owner_state(), TOPICS.status("cam1"), "alice"),
}


@pytest.mark.parametrize("forger", ["bob", "cam2"])
@pytest.mark.parametrize(("topic", "then", "reader"), WILLS.values(), ids=WILLS)
def test_a_forged_will_is_not_published(
    connect: Connect, forger: str, topic: str, then: str, reader: str
) -> None:
    """``then`` is a topic on which its rightful writer sends something afterwards."""
    receiving = connect(reader)
    for each in {topic, then}:
        receiving.subscribe(each)
    lose_and_return(connect, forger, Will(topic=topic, payload=b"forged", retain=True))
    writer = "alice" if reader == "cam1" else "cam1"
    connect(writer).publish(then, b"genuine")
    receiving.wait_for(then, b"genuine")
    assert b"forged" not in payloads(receiving)


@pytest.mark.parametrize("forger", ["alice", "bob", "cam1", "cam2"])
def test_nobody_but_the_owner_writes_the_owners_state(
    broker: RuledBroker, connect: Connect, forger: str
) -> None:
    topic = TOPICS.owner_state()
    listening = connect("alice")
    listening.subscribe(topic)
    for retain in (True, False):
        assert connect(forger).publish(topic, b"forged", retain=retain) == "Not authorized"
    broker.credentials("viewer", "carol")
    broker.remove("carol")
    (broker.root / "carol.viewer.yaml").unlink()
    genuine = listening.wait_next(topic)
    owner = broker.as_user("alice").owner or ""
    assert read_owner_state(genuine.payload, topic, owner=owner).revoked
    assert b"forged" not in payloads(listening)


@pytest.mark.parametrize(
    "topic", ["mqcam/v1/owner/state/more", "mqcam/v2/d/bob/status", "notes", "$SYS/x"]
)
@pytest.mark.parametrize("writer", ["bob", "cam1"])
def test_nobody_writes_beside_the_topics_of_the_protocol(
    connect: Connect, writer: str, topic: str
) -> None:
    everything = connect("alice")
    everything.subscribe(topic)
    assert connect(writer).publish(topic, b"x", retain=True) == "Not authorized"
    connect("cam1").publish(mailbox("alice", "cam1"), b"next")
    everything.wait_for(mailbox("alice", "cam1"), b"next")
    assert payloads(everything) == {b"next"}


# whom one hears


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
    connect: Connect, eavesdropper: str, topic_filter: str
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
    assert not {b"offer", b"answer"} & payloads(spy)


@pytest.mark.parametrize("topic_filter", ["#", "mqcam/v1/d/+/status", "mqcam/v1/d/cam1/status"])
@pytest.mark.parametrize("reader", ["bob", "cam2"])
def test_the_status_of_a_camera_that_was_not_granted_is_not_delivered(
    broker: RuledBroker, connect: Connect, reader: str, topic_filter: str
) -> None:
    """First intended difference: the fleet's rules show every status to everybody."""
    spy, cam1 = connect(reader), connect("cam1")
    spy.subscribe(topic_filter)
    cam1.publish(TOPICS.status("cam1"), b"mine", retain=True)
    peer = "cam1" if reader == "bob" else "alice"
    connect(peer).publish(mailbox(reader, peer), b"for you")
    spy.wait_for(mailbox(reader, peer), b"for you")
    assert (b"mine" in payloads(spy)) is (broker.rules == FLEET)


WITHOUT_GRANT = {
    "a viewer to a camera that was not granted": ("bob", "cam1"),
    "a device to a device": ("cam2", "cam1"),
    "a viewer to a viewer": ("bob", "alice"),
}


@pytest.mark.parametrize(("writer", "reader"), WITHOUT_GRANT.values(), ids=WITHOUT_GRANT)
def test_who_was_not_granted_a_peer_does_not_reach_it(
    broker: RuledBroker, connect: Connect, writer: str, reader: str
) -> None:
    """Second intended difference: the fleet's rules let everybody write in his own name."""
    receiving, topic = connect(reader), mailbox(reader, writer)
    expected = {USER_BY_USER: "Not authorized", FLEET: "Success"}[broker.rules]
    assert connect(writer).publish(topic, b"let me in") == expected
    peer = "alice" if KINDS[reader] == "device" else "cam1"
    connect(peer).publish(mailbox(reader, peer, "later"), b"genuine")
    receiving.wait_for(mailbox(reader, peer, "later"), b"genuine")
    assert (b"let me in" in payloads(receiving)) is (broker.rules == FLEET)


def test_a_retained_offer_does_not_wait_for_a_device(connect: Connect) -> None:
    """The broker cannot forbid the flag: an agent asks for no retained ones, and drops them."""
    topic = mailbox("cam1", "alice", "retained")
    alice = connect("alice")
    alice.publish(topic, b"old offer", retain=True)
    try:
        assert connect("cam1").wait_for(topic, b"old offer").retained
        agent = connect("cam1", retain_handling=NEVER_RETAINED)
        alice.publish(mailbox("cam1", "alice"), b"fresh offer")
        agent.wait_for(mailbox("cam1", "alice"), b"fresh offer")
        assert payloads(agent) == {b"fresh offer"}
    finally:
        alice.publish(topic, b"", retain=True)


# what it costs


def test_a_message_above_the_limit_ends_its_senders_connection(connect: Connect) -> None:
    cam1, alice = connect("cam1"), connect("alice")
    assert alice.publish(mailbox("cam1", "alice"), b"x" * LARGEST_PACKET) == DISCONNECTED
    connect("alice").publish(mailbox("cam1", "alice"), b"next")
    cam1.wait_for(mailbox("cam1", "alice"), b"next")
    assert payloads(cam1) == {b"next"}


# whose session it is


def test_a_guessed_client_id_is_nobodys_session(broker: RuledBroker, connect: Connect) -> None:
    """What waits for a camera waits for who knows 128 random bits, and nobody takes it away."""
    own = new_client_id("cam1", secrets.token_bytes(CLIENT_ID_BYTES))
    with contextlib.closing(BareClient(broker.as_user("cam1"), client_id=own)) as cam1:
        assert cam1.connect(expiry_s=20) == "Success"
        cam1.subscribe(own_filter("cam1"))
        cam1.drop()
        connect("alice").publish(mailbox("cam1", "alice"), b"offer")
        wrong = new_client_id("cam1", secrets.token_bytes(CLIENT_ID_BYTES))
        for guess in ("cam1", "cam1-", own[:-1], own + "A", own.lower() + "x", wrong):
            with contextlib.closing(BareClient(broker.as_user("bob"), client_id=guess)) as bob:
                assert bob.connect(clean_start=False) == "Success"
                assert not bob.session_present
                bob.subscribe(own_filter("bob"))
                connect("cam2").publish(mailbox("bob", "cam2"), b"for bob")
                bob.wait_for(mailbox("bob", "cam2"), b"for bob")
                assert payloads(bob) == {b"for bob"}
        assert cam1.connect(expiry_s=0, clean_start=False) == "Success"
        assert cam1.session_present
        cam1.wait_for(mailbox("cam1", "alice"), b"offer")
