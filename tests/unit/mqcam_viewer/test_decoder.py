"""Decoding in a thread: in order, bounded, and never a broken picture."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

from mqcam.depacketiser import VideoUnit
from mqcam_viewer import decoder as module
from mqcam_viewer.decoder import MAX_BYTES, MAX_UNITS, Decoder
from support.clips import FRAME_TICKS, encode, number_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest
    from mqcam_viewer.decoder import Decoded

LIMIT_S = 5.0


def units(streams: list[bytes], *, keyframes: tuple[int, ...] = (0,)) -> list[VideoUnit]:
    return [
        VideoUnit(
            data=data,
            rtp_timestamp=number * FRAME_TICKS,
            ticks=number * FRAME_TICKS,
            keyframe=number in keyframes,
            arrived_at=number / 30,
        )
        for number, data in enumerate(streams)
    ]


class Screen:
    """What a decoder gives, and how often it asks for a keyframe."""

    def __init__(self) -> None:
        self.pictures: asyncio.Queue[Decoded] = asyncio.Queue()
        self.asked = asyncio.Event()
        self.decoder = Decoder(
            on_picture=self.pictures.put_nowait, on_keyframe_wanted=self.asked.set
        )

    async def next(self) -> Decoded:
        async with asyncio.timeout(LIMIT_S):
            return await self.pictures.get()

    async def was_asked(self) -> None:
        async with asyncio.timeout(LIMIT_S):
            await self.asked.wait()


@contextlib.asynccontextmanager
async def screen(
    before: list[VideoUnit] | None = None, *, is_started: bool = True
) -> AsyncIterator[Screen]:
    """Give a decoder that finds ``before`` when it starts."""
    made = Screen()
    for unit in before or ():
        made.decoder.put(unit)
    if is_started:
        made.decoder.start()
    try:
        yield made
    finally:
        await made.decoder.stop()


async def test_pictures_come_out_one_by_one_each_with_its_time() -> None:
    """None waits for the next one to begin: that would cost its interval."""
    async with screen() as subject:
        for number, unit in enumerate(units(encode(8))):
            subject.decoder.put(unit)
            decoded = await subject.next()
            assert number_of(decoded.picture) == number
            assert (decoded.ticks, decoded.arrived_at) == (unit.ticks, unit.arrived_at)

    assert subject.decoder.counts.decoded == 8


async def test_the_size_may_change_at_a_keyframe() -> None:
    """A camera switches between its layers in the middle of a stream."""
    large, small = encode(3, width=1280, height=720), encode(3, width=640, height=360, first=3)
    again = encode(3, width=1280, height=720, first=6)
    seen = []
    async with screen() as subject:
        for unit in units([*large, *small, *again], keyframes=(0, 3, 6)):
            subject.decoder.put(unit)
            seen.append((await subject.next()).picture)

    assert [number_of(picture) for picture in seen] == list(range(9))
    assert [picture.width for picture in seen] == [1280] * 3 + [640] * 3 + [1280] * 3


async def test_nothing_is_decoded_before_the_first_keyframe() -> None:
    streams = encode(6, keyframes=(0, 3))
    async with screen(units(streams, keyframes=(0, 3))[1:]) as subject:
        assert number_of((await subject.next()).picture) == 3

    assert subject.decoder.counts.dropped == 2


async def test_a_broken_picture_is_never_shown_nor_what_follows_it() -> None:
    streams = encode(8, keyframes=(0, 6), noise=True)
    broken = streams[2]
    middle = len(broken) // 2
    streams[2] = broken[:middle] + b"\x55" * 60 + broken[middle + 60 :]
    made = units(streams, keyframes=(0, 6))
    async with screen(made[:3]) as subject:
        await subject.was_asked()
        assert subject.decoder.needs_keyframe
        for unit in made[3:]:
            subject.decoder.put(unit)
        ticks = [(await subject.next()).ticks // FRAME_TICKS for _ in range(4)]

    assert ticks == [0, 1, 6, 7]
    assert subject.decoder.counts.failed == 1
    assert subject.decoder.counts.dropped == 3


async def test_a_keyframe_that_waits_behind_a_broken_picture_is_enough() -> None:
    streams = encode(6, keyframes=(0, 3), noise=True)
    streams[1] = streams[1][: len(streams[1]) // 2]
    async with screen(units(streams, keyframes=(0, 3))) as subject:
        ticks = [(await subject.next()).ticks // FRAME_TICKS for _ in range(4)]

    assert ticks == [0, 3, 4, 5]
    assert not subject.asked.is_set()


async def test_garbage_ends_nothing() -> None:
    made = units([b"\x00\x00\x00\x01\x65" + bytes(range(200)), *encode(2)], keyframes=(0, 1))
    async with screen(made) as subject:
        assert number_of((await subject.next()).picture) == 0
        assert number_of((await subject.next()).picture) == 1


async def test_what_waits_is_bounded_and_a_keyframe_is_asked_for() -> None:
    made = units(encode(1) * (MAX_UNITS + 5))
    async with screen(made, is_started=False) as subject:
        await subject.was_asked()
        assert subject.decoder.needs_keyframe
        assert subject.decoder.counts.dropped == MAX_UNITS + 5
        assert len(subject.decoder._units) == 0


async def test_an_overflow_with_a_keyframe_among_what_waits_goes_on_there() -> None:
    made = units(encode(1) * (MAX_UNITS + 5), keyframes=(0, 20))
    async with screen(made, is_started=False) as subject:
        assert [unit.ticks // FRAME_TICKS for unit in subject.decoder._units] == list(
            range(20, MAX_UNITS + 5)
        )
        assert subject.decoder.counts.dropped == 20
        assert not subject.asked.is_set()


async def test_an_overflow_with_a_keyframe_shows_that_alone() -> None:
    made = units(encode(1) * (MAX_UNITS + 1), keyframes=(0, MAX_UNITS))
    async with screen(made, is_started=False) as subject:
        assert [unit.keyframe for unit in subject.decoder._units] == [True]


async def test_the_bytes_that_wait_are_bounded() -> None:
    made = units([bytes(MAX_BYTES // 3)] * 5)
    async with screen(made, is_started=False) as subject:
        assert subject.decoder._bytes <= MAX_BYTES
        await subject.was_asked()


async def test_late_pictures_are_decoded_and_not_shown() -> None:
    """The last ones need those before, and somebody who is late does not need to see them."""
    async with screen(units(encode(20))) as subject:
        seen = [number_of((await subject.next()).picture)]
        while seen[-1] != 19:
            seen.append(number_of((await subject.next()).picture))

    assert subject.decoder.counts.decoded == 20
    assert subject.decoder.counts.late == 20 - len(seen) > 0
    assert seen == sorted(seen)


async def test_a_machine_that_is_always_late_still_shows_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SHOWN_EVERY_S", 0.0)
    async with screen(units(encode(20))) as subject:
        seen = [number_of((await subject.next()).picture) for _ in range(20)]

    assert seen == list(range(20))


async def test_stopping_leaves_what_waits_and_the_thread_ends() -> None:
    async with screen(units(encode(20))) as subject:
        await subject.decoder.stop()
        await subject.decoder.stop()

    assert not any(thread.name == "decoder" for thread in threading.enumerate())


async def test_a_decoder_that_never_started_can_be_stopped() -> None:
    await Screen().decoder.stop()
