from __future__ import annotations

from mqcam_device.sending.repeats import BURST_FLOOR_BYTES, REMEMBERED, Choice, Repeats

PACKET = 1200


def ask(repeats: Repeats, lost: list[int], *, now: float, round_trip_s: float = 0.04) -> Choice:
    """Judge a NACK at 4 Mbit/s."""
    return repeats.choose(
        lost, now=now, round_trip_s=round_trip_s, bitrate_bps=4e6, packet_bytes=PACKET
    )


def test_what_is_lost_is_sent_again() -> None:
    assert ask(Repeats(0), [5, 6], now=0).numbers == [5, 6]


def test_not_twice_within_a_round_trip() -> None:
    repeats = Repeats(0)
    ask(repeats, [5], now=0)

    assert ask(repeats, [5], now=0.039).numbers == []
    assert ask(repeats, [5], now=0.041).numbers == [5]
    assert repeats.skipped == 1


def test_not_twice_within_20_ms_on_a_short_way() -> None:
    repeats = Repeats(0)
    ask(repeats, [5], now=0, round_trip_s=0.001)

    assert ask(repeats, [5], now=0.015, round_trip_s=0.001).numbers == []
    assert ask(repeats, [5], now=0.021, round_trip_s=0.001).numbers == [5]


def test_a_burst_is_answered_by_one_keyframe() -> None:
    repeats = Repeats(0)
    first = ask(repeats, list(range(100)), now=0)
    second = ask(repeats, list(range(100, 200)), now=0.1)

    assert len(first.numbers) == BURST_FLOOR_BYTES // PACKET
    assert first.is_keyframe_wanted
    assert not second.is_keyframe_wanted
    assert ask(repeats, list(range(300, 500)), now=0.6).is_keyframe_wanted


def test_repeats_take_a_fifth_of_the_rate_in_the_long_run() -> None:
    repeats = Repeats(0)
    sent = sum(
        len(ask(repeats, list(range(n * 20, n * 20 + 20)), now=n / 50).numbers) for n in range(500)
    )

    assert 0.19 < sent * PACKET * 8 / 10 / 4e6 < 0.22


def test_memory_of_repeats_is_bounded() -> None:
    repeats = Repeats(0)
    for n in range(5000):
        repeats.choose([n], now=n, round_trip_s=0.04, bitrate_bps=1e9, packet_bytes=1)

    assert len(repeats._repeated_at) == REMEMBERED
