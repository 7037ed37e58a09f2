"""A camera that sends real pictures over a connection, loses some packets and repeats others.

It must not know the agent: it is what a test can steer packet by packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from typing import TYPE_CHECKING, Final

from mqcam.feedback import Feedback, read_feedback
from mqcam.rtcp import (
    answer_reference_time,
    read_reference_times,
    write_reference_delays,
)
from support import rtp
from support.clips import FRAME_TICKS, nals_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from support.connections import Side

FIRST_SEQUENCE: Final = 65_500
FIRST_TIMESTAMP: Final = 2**32 - 6 * FRAME_TICKS
TRANSPORT_WIDE_ID: Final = 3


class Sender:
    """Sends units as RTP; ``is_lost`` says of the sequence numbers which never arrive.

    What the viewer tells it is in ``heard``. ``numbers_again`` is every number that it was asked
    for, once per request. It answers reference times and, if ``repeats``, requests.
    """

    def __init__(
        self,
        side: Side,
        *,
        is_lost: Callable[[int], bool] = lambda _sequence: False,
        repeats: bool = True,
    ) -> None:
        self.heard = Feedback()
        self.numbers_again: list[int] = []
        self.keyframe_wanted = asyncio.Event()
        self.changed = asyncio.Event()
        self._side = side
        self._is_lost = is_lost
        self._repeats = repeats
        self._video = side.connection.video
        self._media = side.connection.media
        self._sequence = FIRST_SEQUENCE
        self._rtx_sequence = 7
        self._transport_wide = 65_530
        self._kept: dict[int, bytes] = {}
        self._answers: asyncio.Queue[bytes] = asyncio.Queue()
        self._media.add_rtcp_listener(self._hear)

    async def send(self, unit: bytes, number: int) -> list[int]:
        """Send one picture; returns the sequence numbers of its packets."""
        packets = rtp.packets(
            [nals_of(unit)],
            sequence=self._sequence,
            timestamp=FIRST_TIMESTAMP + number * FRAME_TICKS,
        )
        sequences = [(self._sequence + index) & 0xFFFF for index in range(len(packets))]
        self._sequence += len(packets)
        for sequence, packet in zip(sequences, packets, strict=True):
            ours = self._readdress(packet, self._video.payload_type, self._video.local_ssrc)
            self._kept[sequence] = ours
            if not self._is_lost(sequence):
                await self._media.send(ours)
        return sequences

    async def answer(self) -> None:
        """Send what the viewer asked for, until cancelled."""
        while True:
            await self._media.send(await self._answers.get())

    async def until(self, condition: Callable[[], bool], *, limit_s: float = 5.0) -> None:
        """Wait until what was heard is as wanted; raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _readdress(self, packet: bytes, payload_type: int, ssrc: int) -> bytes:
        """Give a packet our payload type and source, and a transport-wide number."""
        self._transport_wide += 1
        element = bytes((TRANSPORT_WIDE_ID << 4 | 1,))
        extension = element + struct.pack("!H", self._transport_wide & 0xFFFF) + b"\x00"
        marker = packet[1] & 0x80
        header = bytes((packet[0], marker | payload_type)) + packet[2:8] + struct.pack("!I", ssrc)
        return header + packet[12:16] + extension + packet[20:]

    def _hear(self, compound: bytes, _arrived_at: float) -> None:
        arrived_ns = time.monotonic_ns()
        feedback = read_feedback(compound, ssrc=self._video.local_ssrc)
        self.heard.blocks += feedback.blocks
        self.heard.arrivals += feedback.arrivals
        self.numbers_again += feedback.lost
        if feedback.is_keyframe_wanted:
            self.keyframe_wanted.set()
        if self._repeats:
            self._repeat(feedback.lost)
        for reference in read_reference_times(compound):
            delay = answer_reference_time(reference, arrived_ns=arrived_ns, now_ns=arrived_ns)
            self._answers.put_nowait(write_reference_delays(self._video.local_ssrc, [delay]))
        self.changed.set()

    def _repeat(self, numbers: Iterable[int]) -> None:
        """Repeat each packet once, as a retransmission (RFC 4588)."""
        rtx_type, rtx_ssrc = self._video.rtx_payload_type, self._video.local_rtx_ssrc
        for number in numbers:
            kept = self._kept.pop(number, None)
            if kept is None or rtx_type is None or rtx_ssrc is None:
                continue
            repeat = self._readdress(kept, rtx_type, rtx_ssrc)
            self._rtx_sequence += 1
            self._answers.put_nowait(
                repeat[:2]
                + struct.pack("!H", self._rtx_sequence)
                + repeat[4:20]
                + struct.pack("!H", number)
                + repeat[20:]
            )


@contextlib.asynccontextmanager
async def sending(
    side: Side,
    *,
    is_lost: Callable[[int], bool] = lambda _sequence: False,
    repeats: bool = True,
) -> AsyncIterator[Sender]:
    """Give a sender that answers inside the block."""
    sender = Sender(side, is_lost=is_lost, repeats=repeats)
    answering = asyncio.create_task(sender.answer(), name="answers")
    try:
        yield sender
    finally:
        answering.cancel()
        await asyncio.wait({answering})
