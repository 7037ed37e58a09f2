from __future__ import annotations

from mqcam_device.capture import wire
from mqcam_device.capture.outbox import MAX_BYTES, MAX_UNITS, Outbox
from mqcam_device.media import LOW, MAIN, AccessUnit


def unit(seq: int, *, keyframe: bool = False, size: int = 10, layer: str = MAIN) -> AccessUnit:
    return AccessUnit(bytes(size), 0, keyframe, seq, layer)


def take(outbox: Outbox, count: int) -> list[int | wire.Message | None]:
    """Take so many; a unit is shown by its number."""
    messages = [outbox.take() for _ in range(count)]
    return [m.seq if isinstance(m, AccessUnit) else m for m in messages]


def test_units_beyond_the_bound_are_dropped_up_to_the_next_keyframe() -> None:
    asked: list[str] = []
    outbox = Outbox(asked.append)
    for seq in range(MAX_UNITS + 5):
        outbox.put(unit(seq))
    assert take(outbox, MAX_UNITS) == list(range(MAX_UNITS))
    assert asked == ["main"]
    outbox.put(unit(40))
    outbox.put(unit(41, keyframe=True))
    outbox.put(unit(42))
    assert take(outbox, 3) == [wire.Dropped(units=6), 41, 42]


def test_the_bound_holds_for_bytes_too() -> None:
    outbox = Outbox(lambda _: None)
    outbox.put(unit(0, keyframe=True, size=MAX_BYTES - 10))
    outbox.put(unit(1, size=20))
    outbox.put(unit(2, size=1))  # would fit, but not without its predecessor
    outbox.put(unit(3, keyframe=True, size=1))
    assert take(outbox, 3) == [wire.Dropped(units=2), 0, 3]


def test_a_single_large_unit_passes_when_nothing_waits() -> None:
    outbox = Outbox(lambda _: None)
    outbox.put(unit(0, keyframe=True, size=MAX_BYTES + 10))
    assert take(outbox, 1) == [0]


def test_after_closing_messages_go_out_and_units_do_not() -> None:
    outbox = Outbox(lambda _: None)
    outbox.put(unit(0, keyframe=True))
    outbox.put(wire.Dropped(units=1))
    outbox.close()
    assert outbox.take() == wire.Dropped(units=1)
    assert outbox.take() is None


def test_a_torn_layer_does_not_tear_the_other() -> None:
    asked: list[str] = []
    outbox = Outbox(asked.append)
    for seq in range(MAX_UNITS):
        outbox.put(unit(seq, keyframe=seq == 0))
    outbox.put(unit(0, keyframe=True, layer=LOW))
    outbox.put(unit(MAX_UNITS, keyframe=True))
    for _ in range(MAX_UNITS):
        outbox.take()
    assert sorted(asked) == [LOW, MAIN]
    outbox.put(unit(1, layer=LOW))
    outbox.put(unit(MAX_UNITS + 1, keyframe=True))
    outbox.put(unit(2, keyframe=True, layer=LOW))
    assert take(outbox, 4) == [
        wire.Dropped(units=1),
        wire.Dropped(units=2, layer=LOW),
        MAX_UNITS + 1,
        2,
    ]


def test_a_keyframe_that_does_not_come_is_asked_for_again_but_not_with_every_unit() -> None:
    asked: list[str] = []
    now = 0.0
    outbox = Outbox(asked.append, clock=lambda: now)
    for seq in range(MAX_UNITS + 1):
        outbox.put(unit(seq))
    take(outbox, MAX_UNITS)
    assert asked == [MAIN]
    for tick in range(1, 31):
        now = tick / 30
        outbox.put(unit(MAX_UNITS + tick))
    assert asked == [MAIN] * 3
    outbox.put(unit(100, keyframe=True))
    outbox.put(unit(101))
    now = 5.0
    assert take(outbox, 3) == [wire.Dropped(units=31), 100, 101]
    assert asked == [MAIN] * 3
