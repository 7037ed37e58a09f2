"""Pictures as packets, made once for all viewers and kept for repeats.

It must not know viewers, clocks or sockets: a unit brings its time with it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mqcam.rtcp import RTP_MASK, SenderClock

from mqcam_device.sending.layout import Run, lay_out
from mqcam_device.sending.packetiser import packetise

if TYPE_CHECKING:
    from mqcam_device.media import AccessUnit
    from mqcam_device.sending.layout import Layout

KEEP_NS: Final = 2_500_000_000
"""A repeat that is asked for later comes too late for any picture."""

KEEP_BYTES: Final = 4_000_000
"""What is kept of all layers together: 2.5 s of 12 Mbit/s. The oldest go first."""


@dataclass(slots=True)
class Parcel:
    """One picture of one layer; never change it.

    ``number`` finds it again. ``timestamp`` is on the RTP clock that all viewers share.
    """

    number: int
    payloads: tuple[bytes, ...]
    timestamp: int
    captured_ns: int
    is_keyframe: bool
    size_bytes: int
    runs: dict[Layout, list[Run]] = field(default_factory=dict)

    def laid_out(self, layout: Layout, at_ns: int) -> list[Run]:
        """Return the packets in a viewer's layout, made at the first call for each layout."""
        runs = self.runs.get(layout)
        if runs is None:
            runs = lay_out(self.payloads, layout, time=self.timestamp, at_ns=at_ns)
            self.runs[layout] = runs
        return runs


class Parcels:
    """Cut each unit into packets once, and keep them for ``KEEP_NS`` within ``KEEP_BYTES``.

    ``epoch`` is the RTP timestamp (32 bits) of the zero of the capture clock: a random one, as
    RFC 3550 section 5.1 wants it.
    """

    def __init__(self, *, epoch: int, keep_bytes: int = KEEP_BYTES) -> None:
        self.clock = SenderClock(rtp_timestamp=epoch & RTP_MASK, captured_ns=0)
        self._keep_bytes = keep_bytes
        self._kept: OrderedDict[int, Parcel] = OrderedDict()
        self._numbers: dict[tuple[str, int], int] = {}
        self._units: dict[int, tuple[str, int]] = {}
        self._latest: dict[str, Parcel] = {}
        self._kept_bytes = 0
        self._next_number = 0

    def parcel(self, unit: AccessUnit) -> Parcel:
        """Return a unit's packets, the same ones for every viewer."""
        name = (unit.layer, unit.seq)
        number = self._numbers.get(name)
        if number is not None:
            return self._kept[number]
        parcel = self._make(unit)
        former = self._latest.get(unit.layer)
        if former is not None:
            former.runs.clear()  # whoever is still sending it holds his own
        self._latest[unit.layer] = parcel
        self._keep(name, parcel)
        return parcel

    def recall(self, number: int) -> Parcel | None:
        """Return a parcel that was made before, None when it is too old."""
        return self._kept.get(number)

    def _make(self, unit: AccessUnit) -> Parcel:
        payloads = packetise(unit.data)
        self._next_number += 1
        return Parcel(
            number=self._next_number,
            payloads=payloads,
            timestamp=self.clock.rtp_at(unit.captured_ns),
            captured_ns=unit.captured_ns,
            is_keyframe=unit.keyframe,
            size_bytes=sum(map(len, payloads)),
        )

    def _keep(self, name: tuple[str, int], parcel: Parcel) -> None:
        self._kept[parcel.number] = parcel
        self._numbers[name] = parcel.number
        self._units[parcel.number] = name
        self._kept_bytes += parcel.size_bytes
        while len(self._kept) > 1 and self._is_over(parcel.captured_ns):
            number, old = self._kept.popitem(last=False)
            self._kept_bytes -= old.size_bytes
            self._numbers.pop(self._units.pop(number), None)

    def _is_over(self, newest_ns: int) -> bool:
        oldest = next(iter(self._kept.values()))
        return self._kept_bytes > self._keep_bytes or newest_ns - oldest.captured_ns > KEEP_NS
