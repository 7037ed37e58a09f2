from __future__ import annotations

from mqcam_device.sending.ledger import ENTRIES, Ledger


def test_numbers_go_on_without_a_hole_beyond_16_bits() -> None:
    ledger = Ledger(0xFFFE)
    ledger.open(1, 10, is_keyframe=True)

    assert [ledger.take(2, 100), ledger.take(3, 100)] == [0xFFFE, 0x10000]
    assert (ledger.packets, ledger.octets) == (5, 200)


def test_a_packet_is_found_by_the_16_bits_that_a_viewer_names() -> None:
    ledger = Ledger(0xFFFE)
    ledger.open(1, 10, is_keyframe=True)
    ledger.take(2, 0)
    ledger.open(2, 20, is_keyframe=False)
    ledger.take(4, 0)
    sent = ledger.find(ledger.extend(1))

    assert sent is not None
    assert (sent.parcel, sent.index, sent.timestamp) == (2, 1, 20)
    before = ledger.find(ledger.extend(0xFFFF))
    assert before is not None
    assert (before.parcel, before.index) == (1, 1)


def test_what_was_never_sent_is_not_found() -> None:
    ledger = Ledger(100)
    ledger.open(1, 10, is_keyframe=False)
    ledger.take(3, 0)

    assert ledger.find(ledger.extend(103)) is None  # that number comes next: it reads as an old one
    assert ledger.find(99) is None


def test_a_picture_that_was_broken_off_has_only_the_packets_that_left() -> None:
    ledger = Ledger(100)
    ledger.open(1, 10, is_keyframe=False)
    ledger.open(2, 20, is_keyframe=False)
    ledger.take(1, 0)

    assert ledger.find(101) is None
    found = ledger.find(100)
    assert found is not None
    assert found.parcel == 2


def test_what_is_older_than_a_keyframe_is_known_to_be() -> None:
    ledger = Ledger(0)
    ledger.open(1, 10, is_keyframe=False)
    ledger.take(3, 0)
    ledger.open(2, 20, is_keyframe=True)
    ledger.take(3, 0)

    assert [ledger.is_before_keyframe(number) for number in (2, 3)] == [True, False]


def test_pictures_are_remembered_up_to_a_bound() -> None:
    ledger = Ledger(0)
    for parcel in range(ENTRIES + 1):
        ledger.open(parcel, parcel, is_keyframe=False)
        ledger.take(1, 0)

    assert ledger.find(0) is None
    assert ledger.find(1) is not None


def test_a_packet_is_found_among_many_pictures() -> None:
    ledger = Ledger(0xFF00)
    for parcel in range(ENTRIES):
        ledger.open(parcel, parcel, is_keyframe=False)
        ledger.take(parcel % 3, 0)

    numbers = range(0xFF00, 0xFF00 + ledger.packets)
    found = [ledger.find(number) for number in numbers]
    assert [each.parcel for each in found if each] == [
        parcel for parcel in range(ENTRIES) for _ in range(parcel % 3)
    ]
