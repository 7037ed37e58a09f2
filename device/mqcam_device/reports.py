"""What one viewer learns about time: sender reports on the capture clock, answers to its RRTR.

It must not know units or viewers: it watches one media transport.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from aiortc.rtp import RtcpSenderInfo, RtcpSrPacket
from mqcam.media import is_rtcp
from mqcam.rtcp import (
    SenderClock,
    answer_reference_time,
    correct_sender_report,
    holds_sender_report,
    read_reference_times,
    write_empty_report,
    write_reference_delays,
)
from mqcam.steadyclock import SteadyClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.media import MediaTransport

PAUSE_S: Final = 0.25
"""A report goes out this often while no RTP does: the path is alive, also when there never was a
picture (docs/decisions/liveness.md)."""

FIRST_INTERVAL_S: Final = 0.2
FIRST_COUNT: Final = 5
"""So many reports follow each other quickly, so that latency is known from the start."""

MAX_WAITING: Final = 16
"""Answers that may wait to be sent; a viewer that asks more often gets no more."""

FIXED_HEADER_BYTES: Final = 12
COUNT_MASK: Final = 0xFFFF_FFFF


class Reports:
    """Mend the stock sender's reports, send more of them, answer the viewer's questions."""

    def __init__(
        self,
        media: MediaTransport,
        *,
        ssrc: int,
        captured_ns: Callable[[], int | None],
    ) -> None:
        """Watch ``media``; ``captured_ns`` is the capture time of the unit that is being sent."""
        self._media = media
        self._ssrc = ssrc
        self._captured_ns = captured_ns
        self._clock: SenderClock | None = None
        self._report_clock = SteadyClock()
        self._packets = 0
        self._octets = 0
        self._sent_rtp_at = 0.0
        self._sent_reports = 0
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue(MAX_WAITING)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch and to report."""
        self._media.set_outgoing_tap(self._see_outgoing)
        self._media.add_rtcp_listener(self._see_incoming)
        self._task = asyncio.create_task(self._run(), name="sender reports")

    async def stop(self) -> None:
        """End reporting; may be repeated."""
        self._media.set_outgoing_tap(None)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _run(self) -> None:
        """Send what waits, and reports of our own while they are due."""
        while True:
            is_beginning = self._clock is not None and self._sent_reports < FIRST_COUNT
            interval_s = FIRST_INTERVAL_S if is_beginning else PAUSE_S
            packet = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    packet = await self._waiting.get()
            if packet is not None:
                await self._media.send(packet)
            elif self._clock is None:
                await self._media.send(write_empty_report(self._ssrc))
            elif self._is_report_due():
                self._sent_reports += 1
                await self._media.send(self._report())

    def _is_report_due(self) -> bool:
        is_paused = time.monotonic() - self._sent_rtp_at >= PAUSE_S
        return is_paused or self._sent_reports < FIRST_COUNT

    def _report(self) -> bytes:
        """Build a report; the tap fills in the time."""
        info = RtcpSenderInfo(
            ntp_timestamp=0,
            rtp_timestamp=0,
            packet_count=self._packets & COUNT_MASK,
            octet_count=self._octets & COUNT_MASK,
        )
        return bytes(RtcpSrPacket(ssrc=self._ssrc, sender_info=info))

    def _see_outgoing(self, packet: bytes) -> bytes | None:
        """Learn the clock from RTP; give a sender report the capture clock, or drop it."""
        if is_rtcp(packet):
            if self._clock is None:
                return None if holds_sender_report(packet) else packet
            now_ns = time.monotonic_ns()
            return correct_sender_report(
                packet, clock=self._clock, now_ns=now_ns, now_ntp=self._report_clock.ntp_at(now_ns)
            )
        if int.from_bytes(packet[8:12]) == self._ssrc:
            self._count(packet)
        return packet

    def _count(self, packet: bytes) -> None:
        captured_ns = self._captured_ns()
        if captured_ns is not None:
            is_first = self._clock is None
            self._clock = SenderClock(
                rtp_timestamp=int.from_bytes(packet[4:8]), captured_ns=captured_ns
            )
            if is_first:
                self._send_soon(self._report())
        self._packets += 1
        self._octets += len(packet) - FIXED_HEADER_BYTES
        self._sent_rtp_at = time.monotonic()

    def _see_incoming(self, packet: bytes, _arrived_at: float) -> None:
        arrived_ns = time.monotonic_ns()
        for reference in read_reference_times(packet):
            delay = answer_reference_time(
                reference, arrived_ns=arrived_ns, now_ns=time.monotonic_ns()
            )
            self._send_soon(write_reference_delays(self._ssrc, [delay]))

    def _send_soon(self, packet: bytes) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(packet)
