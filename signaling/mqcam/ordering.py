"""The packets of one RTP stream put into order: what is missing is asked for, then given up.

It must not know what the packets carry beyond where a keyframe begins, nor sockets or clocks:
times are seconds of any clock that only goes forward.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.payload import is_keyframe_begin, is_keyframe_part
from mqcam.repair import Repair
from mqcam.wrapping import signed

if TYPE_CHECKING:
    from mqcam.payload import RtpPacket

PATIENCE_S: Final = 0.25
"""How long a retransmission may take before a packet counts as lost, or 5 round trips."""

MAX_WAITING: Final = 1024
"""Packets that may wait behind a missing one, 1.2 MB; past it, the missing one counts as lost."""

MAX_JUMP: Final = 3000
"""A sequence number further away begins a new numbering, if a second packet agrees
(RFC 3550, A.1)."""

MAX_REMEMBERED: Final = 4096
MAX_KEYFRAMES: Final = 8
"""Beginnings of keyframes that are remembered among the packets that wait."""

BURST_PACKETS: Final = 64
"""More missing packets than a camera would repeat (docs/decisions/receiving.md)."""

BURST_TICKS: Final = 45_000
BURST_FLOOR: Final = 8
"""More packets than this that span half a second are not worth repeating either: they are old."""

TAIL_S: Final = 0.008
"""After this long without the last packet of a picture it is asked for."""

TAIL_INTERVALS: Final = 4.0
"""On a slow line the packets of a picture lie apart: it is asked for after so many times that."""

REACH_BACK: Final = 3
"""Packets in front of the first one that are asked for, if that is a piece of a keyframe."""


@dataclass(slots=True)
class Counts:
    """What happened to packets and pictures so far."""

    packets: int = 0
    """Packets of the stream, each once."""
    packets_recovered: int = 0
    """Those of them that came as a retransmission."""
    packets_duplicate: int = 0
    packets_lost: int = 0
    """Packets that never came, or came too late to be of use."""
    malformed: int = 0
    units: int = 0
    """Pictures that were handed on."""
    units_incomplete: int = 0
    """Pictures of which some packets came."""
    units_undecodable: int = 0
    """Whole pictures that need one that was lost."""

    @property
    def units_dropped(self) -> int:
        """Return how many pictures were seen and not handed on."""
        return self.units_incomplete + self.units_undecodable


class Ordering:
    """Give it every packet with ``add`` and take what is in order with ``pop``.

    Until ``begin`` is called the stream may turn out to begin earlier: what was popped then comes
    again.
    """

    def __init__(self, counts: Counts, *, patience_s: float = PATIENCE_S) -> None:
        self.is_begun = False
        self.repair = Repair(patience_s=patience_s)
        self._counts = counts
        self._next: int | None = None  # the sequence number that is due, beyond 16 bits
        self._first = 0
        self._highest = 0
        self._stray: int | None = None
        self._waiting: dict[int, RtpPacket] = {}
        self._given_up: set[int] = set()
        self._keyframes: deque[int] = deque(maxlen=MAX_KEYFRAMES)
        self._popped: list[RtpPacket] = []  # before the first picture
        self._is_broken = False
        self._newest: RtpPacket | None = None  # that with the highest number
        self._interval_s = 0.0  # between two packets of one picture
        self._is_tail_asked = False
        self.has_markers = True
        """Set to False from outside where pictures end without one."""

    def add(self, packet: RtpPacket, *, is_retransmission: bool) -> bool:
        """Take a packet; True if what follows does not continue what was popped before."""
        self._is_broken = False
        number = self._extend(packet.sequence, is_retransmission=is_retransmission)
        if number is None:
            return False
        if self._next is None:
            self._begin(number, packet)
        if not self._is_new(number, packet.arrived_at):
            return False
        is_overtaken = number < self._highest and not is_retransmission
        self._counts.packets += 1
        self._counts.packets_recovered += is_retransmission
        packet.sequence = number
        self._waiting[number] = packet
        if self.repair:
            self.repair.came(number, packet.arrived_at, is_overtaken=is_overtaken)
        if number > self._highest:
            self._advance(number, packet, is_retransmission=is_retransmission)
        if number != self._next:
            self._note_keyframe(number, packet)
        return self._is_broken

    def pop(self) -> RtpPacket | None:
        """Return the next packet in order, None while it is missing."""
        packet = self._waiting.pop(self._next, None) if self._next is not None else None
        if packet is not None:
            self._next = packet.sequence + 1
            if not self.is_begun:
                self._popped.append(packet)
        return packet

    def begin(self) -> None:
        """Note that the first picture was handed on or dropped: nothing can come before it."""
        self.is_begun = True
        self._popped.clear()

    @property
    def is_waiting(self) -> bool:
        """Tell whether packets wait behind a missing one."""
        return bool(self._waiting)

    @property
    def is_incomplete(self) -> bool:
        """Tell whether a packet is missing, or the newest picture has not ended."""
        newest = self._newest
        return bool(self.repair) or (newest is not None and not newest.marker)

    def is_overdue(self, now: float) -> bool:
        """Tell whether what is missing has been awaited long enough."""
        if not self._waiting or self._next is None:
            return False
        missed_at = self.repair.missed_at(self._next)
        if missed_at is None or len(self._waiting) > MAX_WAITING:
            return True
        return now >= missed_at + self.repair.patience_s

    def give_up(self) -> None:
        """Go on behind what is missing, which is lost."""
        self.skip_to(min(self._waiting))

    def skip_to(self, resume: int) -> None:
        """Go on at a number: what is missing before it is lost, what waits before it is dropped."""
        begin = self._next if self._next is not None else resume
        waited = [number for number in self._waiting if number < resume]
        for number in waited:
            del self._waiting[number]
        self._counts.packets_lost += resume - begin - len(waited)
        self._given_up.update(range(max(begin, resume - MAX_REMEMBERED), resume))
        if len(self._given_up) > MAX_REMEMBERED:
            self._given_up = {each for each in self._given_up if each >= resume - MAX_REMEMBERED}
        self.repair.forget_before(resume)
        self._next = resume

    def whole_keyframe(self, *, is_needed: bool) -> int | None:
        """Return where a keyframe begins that waits and is whole, the newest.

        Unless one ``is_needed``, only where what is missing was asked for twice in vain.
        """
        if not self._keyframes or self._next is None:
            return None
        if not is_needed and self.repair.times_asked(self._next) < 2:  # noqa: PLR2004
            return None
        begins = (each for each in reversed(self._keyframes) if each > (self._next or 0))
        return next(filter(self._is_whole, begins), None)

    def requests(self, now: float) -> list[int]:
        """Return the 16-bit numbers to ask for now."""
        tail_at = self._tail_at()
        if tail_at is not None and now >= tail_at:
            self._is_tail_asked = True
            # Only one: to ask for what was not sent yet makes a camera ignore the next request.
            self.repair.miss(self._highest + 1, self._highest + 2, now)
        return self.repair.due(now)

    def next_at(self, now: float) -> float | None:
        """Return when something is to be asked for or given up, None if nothing is."""
        times = [self._tail_at(), self.repair.next_at(now)]
        if self._waiting and self._next is not None:
            missed_at = self.repair.missed_at(self._next)
            times.append(now if missed_at is None else missed_at + self.repair.patience_s)
        return min((each for each in times if each is not None), default=None)

    def _begin(self, number: int, packet: RtpPacket) -> None:
        """Begin the numbering; in front of a piece of a keyframe something is missing."""
        is_cut = is_keyframe_part(packet.payload)
        self._next = number - REACH_BACK if is_cut else number
        self._first = number
        self._highest = number - 1
        self.repair.miss(self._next, number, packet.arrived_at)

    def _extend(self, sequence: int, *, is_retransmission: bool) -> int | None:
        """Return a sequence number beyond 16 bits; None of one that fits nowhere."""
        if self._next is None:
            return None if is_retransmission else sequence + 2**16
        difference = signed(sequence - self._highest, bits=16)
        if -MAX_JUMP <= difference <= MAX_JUMP:
            self._stray = None
            return self._highest + difference
        if is_retransmission:
            return None
        if self._stray is None or sequence != (self._stray + 1) % 2**16:
            self._stray = sequence
            self._counts.malformed += 1
            return None
        return self._number_anew(sequence)

    def _number_anew(self, sequence: int) -> int:
        """Forget the numbering: the sender has begun another one."""
        number = (((self._highest >> 16) + 2) << 16) + sequence
        self._stray = None
        self._waiting.clear()
        self._given_up.clear()
        self.repair.forget_before(number)
        self._highest = number - 1
        self._next = number
        self._newest = None
        self.begin()
        self._is_broken = True
        return number

    def _is_new(self, number: int, now: float) -> bool:
        """Tell whether a packet may be of use; the first one may turn out to be an earlier one."""
        if self._next is None or number >= self._next:
            is_known = number in self._waiting
            self._counts.packets_duplicate += is_known
            return not is_known
        is_popped = bool(self._popped) and number >= self._popped[0].sequence
        if self.is_begun or is_popped or number < self._highest - BURST_PACKETS:
            self._count_late(number)
            return False
        self._waiting |= {each.sequence: each for each in self._popped}
        self._popped.clear()
        self.repair.miss(number + 1, self._next, now)
        for each in self._waiting:
            self.repair.came(each, now, is_overtaken=False)
        self._next = number
        self._is_broken = True
        return True

    def _advance(self, number: int, packet: RtpPacket, *, is_retransmission: bool) -> None:
        """Take the highest number so far; a burst before it may not be worth repeating."""
        newest, self._newest = self._newest, packet
        begin, self._highest = self._highest + 1, number
        self._is_tail_asked = False
        if number > begin:
            count = number - begin + len(self.repair)
            ticks = signed(packet.timestamp - newest.timestamp, bits=32) if newest else 0
            if count > BURST_PACKETS or (count > BURST_FLOOR and ticks > BURST_TICKS):
                self.skip_to(number)
                self.begin()
                self._is_broken = True
                return
            self.repair.miss(begin, number, packet.arrived_at)
        elif newest and newest.timestamp == packet.timestamp and not is_retransmission:
            self._interval_s += (packet.arrived_at - newest.arrived_at - self._interval_s) / 8
        if packet.marker and self.repair:
            self.repair.forget_from(number + 1)  # what was thought to be its rest

    def _note_keyframe(self, number: int, packet: RtpPacket) -> None:
        """Remember a beginning that waits; that of the piece that came first is the stream's."""
        if not is_keyframe_begin(packet.payload):
            return
        if self.is_begun or number >= self._first:
            self._keyframes.append(number)
            return
        lost = self._counts.packets_lost
        self.skip_to(number)
        self._counts.packets_lost = lost  # they may never have been sent to us
        self._is_broken = True

    def _is_whole(self, begin: int) -> bool:
        number = begin
        while (packet := self._waiting.get(number)) is not None:
            if packet.marker:
                return True
            number += 1
        return False

    def _count_late(self, number: int) -> None:
        if number in self._given_up:
            self._given_up.remove(number)
        else:
            self._counts.packets_duplicate += 1

    def _tail_at(self) -> float | None:
        """Return when the rest of the newest picture is overdue, None if it is not missing."""
        newest = self._newest
        if newest is None or newest.marker or self._is_tail_asked or not self.has_markers:
            return None
        return newest.arrived_at + max(TAIL_S, TAIL_INTERVALS * self._interval_s)
