"""A viewer's receiver on a real connection, with a camera that is steered packet by packet."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam_viewer.ingress import Ingress
from support import rtp
from support.clips import encode, nals_of, number_of
from support.connections import connect_both, negotiate, sides
from support.sender import FIRST_TIMESTAMP, Sender, sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from mqcam.connection import Connection
    from mqcam.depacketiser import VideoUnit
    from mqcam_viewer.frames import Frame
    from mqcam_viewer.ingress import UnitWish

LIMIT_S = 5.0
FRAME_S = 1 / 30


class Viewer:
    """A viewer's end: what it shows and keeps."""

    def __init__(
        self,
        connection: Connection,
        *,
        is_decoding: bool,
        wish: Callable[[], UnitWish | None] = lambda: None,
    ) -> None:
        self.frames: asyncio.Queue[Frame] = asyncio.Queue()
        self.units: list[VideoUnit] = []
        self.kept = asyncio.Event()
        self.ended = asyncio.Event()
        self.ingress = Ingress(
            connection,
            on_frame=self.frames.put_nowait,
            on_unit=self._keep,
            wish=wish,
            on_end=self.ended.set,
            is_decoding=is_decoding,
        )

    def _keep(self, unit: VideoUnit, _captured_ns: int | None) -> None:
        self.units.append(unit)
        self.kept.set()

    async def next(self) -> Frame:
        async with asyncio.timeout(LIMIT_S):
            return await self.frames.get()

    async def until_kept(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.units) < count:
                self.kept.clear()
                await self.kept.wait()


@contextlib.asynccontextmanager
async def watching(
    *,
    is_lost: Callable[[int], bool] = lambda _sequence: False,
    repeats: bool = True,
    is_decoding: bool = True,
    has_arrivals: bool = False,
) -> AsyncIterator[tuple[Viewer, Sender]]:
    """Connect a viewer to a steered camera; ``has_arrivals``: transport-cc is agreed on."""
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        if not has_arrivals:
            video = viewer.connection.video
            feedback = tuple(each for each in video.feedback if each != "transport-cc")
            viewer.connection._video = replace(video, feedback=feedback)
        made = Viewer(viewer.connection, is_decoding=is_decoding)
        await made.ingress.start()
        try:
            await connect_both(viewer.connection, camera.connection)
            async with sending(camera, is_lost=is_lost, repeats=repeats) as sender:
                yield made, sender
        finally:
            await made.ingress.stop()


async def test_each_picture_is_shown_before_the_next_one_is_sent() -> None:
    async with watching() as (viewer, sender):
        for number, unit in enumerate(encode(12)):
            await sender.send(unit, number)
            frame = await viewer.next()
            assert number_of(frame.picture) == number
            assert frame.rtp_timestamp == (FIRST_TIMESTAMP + number * 3000) % 2**32

    assert viewer.ingress.counts.packets_lost == 0
    assert len(viewer.units) == 12


@pytest.mark.alone
async def test_a_picture_is_decoded_in_milliseconds() -> None:
    """720p at 2.5 Mbit/s, from the call that sends it to the frame in the loop."""
    streams = encode(60, width=1280, height=720)
    taken_ms: list[float] = []
    async with watching() as (viewer, sender):
        for number, unit in enumerate(streams):
            begin = time.monotonic()
            await sender.send(unit, number)
            await viewer.next()
            taken_ms.append((time.monotonic() - begin) * 1000)
            await asyncio.sleep(FRAME_S / 4)

    taken_ms.sort()
    assert taken_ms[len(taken_ms) // 2] < 10


async def test_what_the_path_loses_is_repeated() -> None:
    """The first packet of a picture, one in its middle, its last one; the very first one of all."""
    lost: set[int] = set()
    async with watching(is_lost=lambda sequence: sequence in lost) as (viewer, sender):
        lost |= {(65_500) & 0xFFFF}
        streams = encode(8, noise=True)
        for number, unit in enumerate(streams):
            begin = sender._sequence
            lost |= {(begin + offset) & 0xFFFF for offset in ((), (0,), (3,), (10,))[number % 4]}
            await sender.send(unit, number)
            assert number_of_ticks(await viewer.next()) == number

    assert viewer.ingress.counts.packets_recovered >= 6
    assert viewer.ingress.counts.packets_lost == 0


async def test_the_end_of_a_picture_is_repeated_although_nothing_follows() -> None:
    last: list[int] = []
    async with watching(is_lost=lambda sequence: sequence in last) as (viewer, sender):
        unit = encode(1, noise=True)[0]
        count = len(rtp.payloads(nals_of(unit)))
        last.append((sender._sequence + count - 1) & 0xFFFF)
        await sender.send(unit, 0)
        assert number_of_ticks(await viewer.next()) == 0

    assert last[0] in sender.numbers_again


async def test_what_is_not_repeated_costs_pictures_up_to_a_keyframe_that_is_asked_for() -> None:
    lost: set[int] = set()
    async with watching(is_lost=lambda sequence: sequence in lost, repeats=False) as (
        viewer,
        sender,
    ):
        streams = encode(9, keyframes=(0, 6), noise=True)
        await sender.send(streams[0], 0)
        assert number_of_ticks(await viewer.next()) == 0
        lost.add((sender._sequence + 1) & 0xFFFF)
        for number in range(1, 6):
            await sender.send(streams[number], number)
        async with asyncio.timeout(LIMIT_S):
            await sender.keyframe_wanted.wait()
        assert viewer.frames.empty()
        for number in range(6, 9):
            await sender.send(streams[number], number)
            assert number_of_ticks(await viewer.next()) == number

    assert viewer.ingress.counts.packets_lost == 1
    assert [unit.ticks // 3000 for unit in viewer.units][1:] != []


async def test_a_viewer_that_only_keeps_units_decodes_nothing_and_repairs_all() -> None:
    lost: set[int] = set()
    async with watching(is_lost=lambda sequence: sequence in lost, is_decoding=False) as (
        viewer,
        sender,
    ):
        lost.add((sender._sequence + 12) & 0xFFFF)
        for number, unit in enumerate(encode(6, noise=True)):
            await sender.send(unit, number)
        await viewer.until_kept(6)
        assert not any(thread.name == "decoder" for thread in threading.enumerate())

    assert viewer.frames.empty()
    assert viewer.ingress.decoder_counts.decoded == 0
    assert sender.numbers_again


async def test_the_camera_hears_reports_with_losses_and_round_trip() -> None:
    lost: set[int] = set()
    async with watching(is_lost=lambda sequence: sequence in lost) as (viewer, sender):
        lost.add((sender._sequence + 12) & 0xFFFF)
        for number, unit in enumerate(encode(6, noise=True)):
            await sender.send(unit, number)
            await viewer.next()
        # The fifth comes 0.2 s after the fourth, whose reference time was answered by then.
        await sender.until(lambda: len(sender.heard.blocks) >= 5)
        block = sender.heard.blocks[-1]
        assert block.highest & 0xFFFF == (sender._sequence - 1) & 0xFFFF
        assert block.packets_lost == 1
        measured = await viewer.ingress.measure()

    assert measured.rtt_ms is not None
    assert 0 <= measured.rtt_ms < 1000


async def test_the_camera_hears_of_each_packet_where_it_wants_to() -> None:
    lost: set[int] = set()
    async with watching(is_lost=lambda sequence: sequence in lost, has_arrivals=True) as (
        viewer,
        sender,
    ):
        for number, unit in enumerate(encode(6, noise=True)):
            await sender.send(unit, number)
            await viewer.next()
        sent = sender._transport_wide - 65_530
        await sender.until(lambda: sum(each.count for each in sender.heard.arrivals) >= sent)
        told = [pair for each in sender.heard.arrivals for pair in each.arrivals]

    numbers = [number for number, _ in told]
    assert numbers[0] == 65_531
    assert len(set(numbers)) == len(numbers)
    assert all(at_us is not None for _, at_us in told)
    assert [each.feedback_count for each in sender.heard.arrivals] == list(
        range(len(sender.heard.arrivals))
    )


async def test_nobody_is_told_of_arrivals_unasked() -> None:
    async with watching() as (viewer, sender):
        await sender.send(encode(1)[0], 0)
        await viewer.next()
        await sender.until(lambda: len(sender.heard.blocks) >= 3)

    assert sender.heard.arrivals == []


async def test_a_goodbye_ends_the_stream_once() -> None:
    async with watching() as (viewer, sender):
        await sender.send(encode(1)[0], 0)
        await viewer.next()
        bye = struct.pack("!BBHI", 0x81, 203, 1, sender._video.local_ssrc)
        foreign = struct.pack("!BBHI", 0x81, 203, 1, 1)
        await sender._media.send(foreign)
        await sender._media.send(bye)
        async with asyncio.timeout(LIMIT_S):
            await viewer.ended.wait()


async def test_with_a_delay_frames_are_held_back_in_order() -> None:
    async with watching() as (viewer, sender):
        viewer.ingress.playout.delay_s = 0.2
        begin = time.monotonic()
        for number, unit in enumerate(encode(5)):
            await sender.send(unit, number)
        shown = [await viewer.next() for _ in range(5)]

    assert time.monotonic() - begin >= 0.2
    assert [number_of(frame.picture) for frame in shown] == list(range(5))


async def test_stopping_in_the_middle_leaves_nothing() -> None:
    """The fixture that looks for leaks does the rest."""
    async with watching(is_lost=lambda sequence: sequence % 2 == 0, repeats=False) as (
        viewer,
        sender,
    ):
        viewer.ingress.playout.delay_s = 0.5
        for number, unit in enumerate(encode(6, noise=True)):
            await sender.send(unit, number)
        await viewer.ingress.stop()
        await viewer.ingress.stop()
        await sender.send(encode(1)[0], 6)

    assert viewer.frames.empty()


def number_of_ticks(frame: Frame) -> int:
    return ((frame.rtp_timestamp - FIRST_TIMESTAMP) % 2**32) // 3000
