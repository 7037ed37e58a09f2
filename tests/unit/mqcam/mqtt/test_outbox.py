"""The outbox against a model, and its rules one by one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from mqcam.mqtt.outbox import Outbox, Parcel
from mqcam.transport import Outgoing


def parcel(
    name: str, *, deadline: float = 100.0, retain: bool = False, is_birth: bool = False
) -> Parcel[str]:
    message = Outgoing(topic=name, payload=b"", retain=retain)
    return Parcel(message, deadline, name, is_birth=is_birth)


def outbox(*names: str, capacity: int = 10, window: int = 20) -> Outbox[str]:
    box: Outbox[str] = Outbox(capacity=capacity, window=window)
    for name in names:
        assert box.put(parcel(name)) is None
    return box


def take_all(box: Outbox[str], first_id: int = 1) -> list[str]:
    taken: list[str] = []
    while (found := box.take()) is not None:
        box.sent(found, first_id + len(taken))
        taken.append(found.receipt)
    return taken


def test_messages_leave_in_order_until_the_window_is_full() -> None:
    box = outbox("a", "b", "c", window=2)
    assert take_all(box) == ["a", "b"]
    answered = box.acknowledge(1)
    assert answered is not None
    assert answered.receipt == "a"
    assert take_all(box, 3) == ["c"]


def test_the_broker_may_narrow_the_window_but_not_widen_it() -> None:
    box = outbox("a", "b", "c", window=2)
    box.connected(1)
    assert take_all(box) == ["a"]
    box.lost()
    box.connected(1000)
    assert take_all(box) == ["a", "b"]


def test_a_full_outbox_drops_the_oldest_that_waits() -> None:
    box = outbox("a", "b", "c", capacity=3, window=1)
    assert take_all(box) == ["a"]
    assert box.put(parcel("d")) is None
    dropped = box.put(parcel("e"))
    assert dropped is not None
    assert dropped.receipt == "b"
    assert len(box) == 4


def test_what_was_not_acknowledged_goes_first_and_in_order() -> None:
    box = outbox("a", "b", "c", "d", window=3)
    take_all(box)
    box.acknowledge(2)
    box.lost()
    assert box.in_flight == 0
    assert take_all(box) == ["a", "c", "d"]


def test_a_message_that_could_not_be_sent_keeps_its_place() -> None:
    box = outbox("a", "b")
    first = box.take()
    assert first is not None
    box.put_back(first)
    assert take_all(box) == ["a", "b"]


def test_expiry_serves_each_receipt_once_and_keeps_the_window_honest() -> None:
    """The broker still owes an answer to what is in flight, so its place stays taken."""
    box = outbox(window=1)
    box.put(parcel("sent", deadline=1))
    box.put(parcel("waits", deadline=2))
    take_all(box)
    assert box.next_deadline == 1
    assert [late.receipt for late in box.expire(1)] == ["sent"]
    assert box.next_deadline == 2
    assert box.take() is None
    assert box.acknowledge(1) is None
    assert [late.receipt for late in box.expire(5)] == ["waits"]
    assert box.next_deadline is None
    assert take_all(box) == []


def test_what_expired_in_flight_is_not_sent_again() -> None:
    box = outbox("a")
    take_all(box)
    box.expire(1000)
    box.lost()
    assert take_all(box) == []


def test_an_answer_to_nothing_is_ignored() -> None:
    assert outbox("a").acknowledge(7) is None


def test_a_birth_goes_first_and_replaces_older_state() -> None:
    box = outbox("other")
    box.put(parcel("status", retain=True))
    box.put(parcel("status"))
    box.put(parcel("old birth", is_birth=True))
    stale = box.give_birth([parcel("status", retain=True, is_birth=True)])
    assert [old.receipt for old in stale] == ["status", "old birth"]
    assert take_all(box) == ["status", "other", "status"]


def test_draining_returns_all_whose_receipt_is_owed() -> None:
    box = outbox("a", "b", "c", window=2)
    take_all(box)
    box.acknowledge(1)
    assert [owed.receipt for owed in box.drain()] == ["b", "c"]
    assert len(box) == 0


@given(st.text(min_size=1, max_size=300), st.binary(max_size=70_000))
def test_the_size_is_never_below_that_of_the_packet(topic: str, payload: bytes) -> None:
    topic = topic.encode("utf-8", "replace").decode()
    body = 2 + len(topic.encode()) + 2 + 1 + 5 + len(payload)
    length_bytes = 1 + (body >= 128) + (body >= 16_384) + (body >= 2_097_152)
    packet = 1 + length_bytes + body
    message = Outgoing(topic=topic, payload=payload)
    assert packet <= Parcel(message, 0.0, None).size <= packet + 3


@given(st.lists(st.sampled_from(["put", "take", "answer", "lose", "expire"]), max_size=200))
def test_every_receipt_is_served_exactly_once(steps: list[str]) -> None:
    """Whatever happens: none forgotten, none twice, and never more in flight than allowed."""
    box: Outbox[str] = Outbox(capacity=4, window=3)
    served: list[str] = []
    put, packet_id, now = 0, 0, 0.0
    in_flight: list[int] = []
    for step in steps:
        if step == "put":
            put += 1
            dropped = box.put(parcel(str(put), deadline=now + 3))
            served += [dropped.receipt] if dropped else []
        elif step == "take" and (found := box.take()) is not None:
            packet_id += 1
            in_flight.append(packet_id)
            box.sent(found, packet_id)
        elif step == "answer" and in_flight:
            answered = box.acknowledge(in_flight.pop(0))
            served += [answered.receipt] if answered else []
        elif step == "lose":
            in_flight.clear()
            box.lost()
        elif step == "expire":
            now += 1
            served += [late.receipt for late in box.expire(now)]
        assert box.in_flight <= 3
    served += [owed.receipt for owed in box.drain()]
    assert sorted(served, key=int) == [str(number) for number in range(1, put + 1)]
