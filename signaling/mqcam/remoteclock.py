"""The camera's clock as a viewer sees it: offset and round trip from reports alone.

It must not know packets or sockets. The viewer's clock is any that only goes forward; all times
are integers in nanoseconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from mqcam.rtcp import SECOND_NS, SenderReport, unix_ns_from_ntp
from mqcam.sdp import RTP_CLOCK_HZ
from mqcam.wrapping import signed

WINDOW_NS: Final = 20 * SECOND_NS
SAMPLE_LIMIT: Final = 256
LATEST_COUNT: Final = 3


@dataclass(slots=True)
class _Sample:
    at_ns: int
    value_ns: int


class _Extreme:
    """The smallest sample of the last 20 s."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque(maxlen=SAMPLE_LIMIT)

    def add(self, at_ns: int, value_ns: int) -> None:
        while self._samples and self._samples[-1].value_ns >= value_ns:
            self._samples.pop()
        self._samples.append(_Sample(at_ns, value_ns))
        while self._samples[0].at_ns < at_ns - WINDOW_NS:
            self._samples.popleft()

    @property
    def smallest_ns(self) -> int | None:
        return self._samples[0].value_ns if self._samples else None


class RemoteClock:
    """Estimates how far the camera's clock is ahead of ours, and when a picture was captured.

    A sender report that took the least time arrives ``round trip / 2`` after its time. So the
    offset is the best of the last 20 s of both: queues only ever make samples worse. What remains
    is half of the asymmetry of the path. A camera whose reported clock is set back is misread for
    the length of the window: it should derive that clock from one that only goes forward.
    """

    def __init__(self) -> None:
        self._arrivals = _Extreme()
        self._round_trips = _Extreme()
        self._report: SenderReport | None = None
        self._latest: deque[int] = deque(maxlen=LATEST_COUNT)

    @property
    def round_trip_ns(self) -> int | None:
        """The shortest round trip of the last 20 s."""
        return self._round_trips.smallest_ns

    @property
    def usual_round_trip_ns(self) -> int | None:
        """The median of the last three round trips: what a packet needs now, queues included."""
        return sorted(self._latest)[len(self._latest) // 2] if self._latest else None

    @property
    def offset_ns(self) -> int | None:
        """The camera's clock minus ours; None until a report and a round trip have come."""
        late_ns, round_trip_ns = self._arrivals.smallest_ns, self.round_trip_ns
        if late_ns is None or round_trip_ns is None:
            return None
        return round_trip_ns // 2 - late_ns

    def add_round_trip(self, round_trip_ns: int, *, now_ns: int) -> None:
        """Take the round trip that a DLRR item has shown."""
        self._round_trips.add(now_ns, round_trip_ns)
        self._latest.append(round_trip_ns)

    def add_report(self, report: SenderReport, *, arrived_ns: int) -> None:
        """Take a sender report; ``arrived_ns`` is on our clock."""
        self._arrivals.add(arrived_ns, arrived_ns - unix_ns_from_ntp(report.ntp))
        self._report = report

    def camera_ns(self, rtp_timestamp: int) -> int | None:
        """Return on the camera's clock when the picture of an RTP timestamp was captured."""
        if self._report is None:
            return None
        ticks = signed(rtp_timestamp - self._report.rtp_timestamp, bits=32)
        return unix_ns_from_ntp(self._report.ntp) + ticks * SECOND_NS // RTP_CLOCK_HZ

    def captured_ns(self, rtp_timestamp: int) -> int | None:
        """Return on our clock when the picture of an RTP timestamp was captured."""
        camera_ns, offset_ns = self.camera_ns(rtp_timestamp), self.offset_ns
        return None if camera_ns is None or offset_ns is None else camera_ns - offset_ns
