"""The broker in memory behaves like one of MQTT 5, in virtual time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.broker import Subscription
from mqcam.memory_broker import NOT_AUTHORIZED, MemoryBroker, MemoryClient, Weather, matches
from mqcam.transport import Incoming, Outgoing


class Owner:
    """Keep all that a client is told."""

    def __init__(self) -> None:
        self.received: list[Incoming] = []
        self.answers: list[int] = []
        self.cuts = 0

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.received]

    def on_message(self, message: Incoming) -> None:
        self.received.append(message)

    def on_answer(self, packet_id: int, code: int, reason: str) -> None:
        assert packet_id
        assert reason
        self.answers.append(code)

    def on_cut(self) -> None:
        self.cuts += 1


def client(
    broker: MemoryBroker,
    name: str,
    *topics: str,
    will: Outgoing | None = None,
    will_delay_s: float = 0,
    expiry_s: float = 0,
) -> tuple[MemoryClient, Owner]:
    owner = Owner()
    made = MemoryClient(broker, name, owner, will=will, will_delay_s=will_delay_s)
    connect(made, *topics, expiry_s=expiry_s)
    return made, owner


def connect(made: MemoryClient, *topics: str, expiry_s: float = 0) -> bool:
    wanted = [Subscription(topic=topic) for topic in topics]
    return made.connect(wanted, clean_start=False, session_expiry_s=expiry_s)


def publish(made: MemoryClient, topic: str, payload: bytes = b"x", **more: bool) -> None:
    assert made.publish(Outgoing(topic=topic, payload=payload, **more), 20.0) is not None


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/+", "a", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "b", False),
        ("#", "a/b", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+/+/c", "a/b/c", True),
        ("+", "", True),
    ],
)
def test_filters_match_as_section_4_7_says(topic_filter: str, topic: str, expected: bool) -> None:
    assert matches(topic_filter, topic) is expected


def test_messages_take_their_time_both_ways_and_keep_their_order() -> None:
    broker = MemoryBroker(weather=Weather(delay_s=(0.1, 0.4)))
    sender, sender_owner = client(broker, "sender")
    _, receiver = client(broker, "receiver", "a")
    for number in range(50):
        publish(sender, "a", b"%d" % number)
    broker.advance(0.19)
    assert receiver.received == []
    broker.advance(5)
    assert receiver.payloads == [b"%d" % number for number in range(50)]
    assert sender_owner.answers == [0] * 50
    assert broker.next_event is None


def test_nobody_listening_and_nobody_allowed_have_their_codes() -> None:
    broker = MemoryBroker(may_publish=lambda _client, topic: topic != "forbidden")
    sender, owner = client(broker, "sender")
    publish(sender, "nobody")
    publish(sender, "forbidden")
    broker.advance()
    assert owner.answers == [0x10, NOT_AUTHORIZED]


def test_a_retained_message_lasts_until_it_expires_or_is_cleared() -> None:
    broker = MemoryBroker()
    sender, _ = client(broker, "sender")
    publish(sender, "s/1", b"one", retain=True)
    publish(sender, "s/2", b"two", retain=True)
    publish(sender, "s/2", b"", retain=True)
    broker.advance()
    _, early = client(broker, "early", "s/+")
    broker.advance(10)
    assert early.received == [Incoming(topic="s/1", payload=b"one", retained=True)]
    assert broker.retained("s/1") == b"one"
    broker.advance(30)
    assert broker.retained("s/1") is None
    _, late = client(broker, "late", "s/+")
    broker.advance()
    assert late.received == []


def test_retain_handling_is_obeyed() -> None:
    broker = MemoryBroker()
    sender, _ = client(broker, "sender")
    publish(sender, "s", retain=True)
    broker.advance()
    made, owner = client(broker, "receiver", expiry_s=60)
    made.subscribe(Subscription(topic="s", retain_handling=2))
    broker.advance()
    assert owner.received == []
    made.subscribe(Subscription(topic="s", retain_handling=1))
    broker.advance()
    assert owner.received == []
    made.unsubscribe("s")
    made.subscribe(Subscription(topic="s", retain_handling=1))
    broker.advance()
    assert len(owner.received) == 1


def test_a_session_keeps_messages_until_it_expires() -> None:
    broker = MemoryBroker()
    sender, _ = client(broker, "sender")
    receiver, owner = client(broker, "receiver", "a", expiry_s=20)
    receiver.cut()
    assert owner.cuts == 1
    publish(sender, "a", b"queued")
    broker.advance(10)
    assert connect(receiver, expiry_s=20)
    broker.advance(11)
    assert owner.payloads == [b"queued"]
    receiver.cut()
    publish(sender, "a", b"too long ago")
    broker.advance(60)
    assert not connect(receiver, "a")
    broker.advance(61)
    assert owner.payloads == [b"queued"]


def test_a_message_that_expires_in_the_queue_is_not_delivered() -> None:
    broker = MemoryBroker()
    sender, _ = client(broker, "sender")
    receiver, owner = client(broker, "receiver", "a", expiry_s=60)
    receiver.cut()
    publish(sender, "a")
    broker.advance(25)
    connect(receiver)
    broker.advance(26)
    assert owner.received == []


def test_a_will_follows_a_cut_unless_its_client_comes_back_in_time() -> None:
    broker = MemoryBroker()
    will = Outgoing(topic="w", payload=b"gone")
    _, observer = client(broker, "observer", "w")
    victim, _ = client(broker, "victim", will=will, will_delay_s=5, expiry_s=60)
    victim.cut()
    broker.advance(4)
    connect(victim, expiry_s=60)
    broker.advance(20)
    assert observer.received == []
    victim.cut()
    broker.advance(26)
    assert observer.payloads == [b"gone"]
    connect(victim, expiry_s=60)
    victim.disconnect()
    broker.advance(60)
    assert observer.payloads == [b"gone"]


def test_a_second_client_with_the_same_id_cuts_the_first() -> None:
    broker = MemoryBroker()
    first, owner = client(broker, "twin", "a")
    client(broker, "twin", "a")
    assert owner.cuts == 1
    assert first.publish(Outgoing(topic="a", payload=b""), 1) is None


def test_what_is_under_way_at_a_cut_reaches_a_session_that_lasts() -> None:
    broker = MemoryBroker(weather=Weather(delay_s=(1, 1)))
    sender, _ = client(broker, "sender")
    receiver, owner = client(broker, "receiver", "a", expiry_s=60)
    publish(sender, "a")
    broker.advance(1.5)
    receiver.cut()
    broker.advance(3)
    connect(receiver)
    broker.advance(5)
    assert owner.payloads == [b"x"]


@given(st.integers(min_value=0, max_value=1000))
def test_bad_weather_is_the_same_for_the_same_seed(seed: int) -> None:
    def run() -> list[bytes]:
        weather = Weather(delay_s=(0, 1), loss=0.2, duplication=0.2, reordering=0.3)
        broker = MemoryBroker(seed=seed, weather=weather)
        sender, _ = client(broker, "sender")
        _, owner = client(broker, "receiver", "a")
        for number in range(20):
            publish(sender, "a", b"%d" % number)
        broker.advance(60)
        return owner.payloads

    first = run()
    assert first == run()
    assert set(first) <= {b"%d" % number for number in range(20)}


def test_loss_duplication_and_reordering_do_happen() -> None:
    def run(weather: Weather) -> list[bytes]:
        broker = MemoryBroker(weather=weather)
        sender, _ = client(broker, "sender")
        _, owner = client(broker, "receiver", "a")
        for number in range(100):
            publish(sender, "a", b"%d" % number)
        broker.advance(60)
        return owner.payloads

    sent = [b"%d" % number for number in range(100)]
    lossy = run(Weather(loss=0.5))
    assert lossy == [payload for payload in sent if payload in lossy]
    assert 20 < len(lossy) < 80
    assert 120 < len(run(Weather(duplication=0.5))) < 180
    mixed = run(Weather(delay_s=(0, 1), reordering=0.5))
    assert sorted(mixed) == sorted(sent)
    assert mixed != sent
