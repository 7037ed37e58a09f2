"""Both endpoints of the protocol core, made for tests, and a link between them that fails.

It must not know an event loop: time is a number that the link moves.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.protocol.codec import decode, encode
from mqcam.protocol.deadlines import Deadlines
from mqcam.protocol.device import DeviceEndpoint
from mqcam.protocol.effects import (
    Answered,
    Effect,
    Inbound,
    Reject,
    Send,
    SessionKey,
    Started,
)
from mqcam.protocol.topics import Namespace
from mqcam.protocol.viewer import ViewerEndpoint
from mqcam.testing import PlainEnvelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mqcam.protocol.admission import Authorize
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.limits import Limits
    from mqcam.protocol.messages import Message, Offer, Status
    from mqcam.protocol.viewer import Vouch

TOPICS = Namespace("mqcam")
DEADLINES = Deadlines()
HOST = "candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host"


def counting_bytes() -> Callable[[int], bytes]:
    """Return a source of bytes that never repeats and is the same in every run."""
    counter = itertools.count(1)
    return lambda count: next(counter).to_bytes(count, "big")


def never_below(device: str, key: str) -> int:
    """Answer like a shell that never saw a higher version."""
    return 1


def let_in(viewer: str, key: str, offer: Offer) -> frozenset[str]:
    """Let everybody view."""
    return frozenset({"view"})


def believe(device: str, key: str, status: Status) -> None:
    """Vouch for every device."""


def make_device(
    *,
    max_viewers: int = 4,
    authorize: Authorize = let_in,
    allow_loopback: bool = False,
    limits: Limits | None = None,
    boot: str = "boot-1",
    key: str = "cam",
    proven: Sequence[str] = (),
) -> DeviceEndpoint:
    """Return the device `cam`, not started."""
    return DeviceEndpoint(
        namespace="mqcam",
        name="cam",
        boot=boot,
        envelope=PlainEnvelope("mqcam"),
        deadlines=DEADLINES,
        max_viewers=max_viewers,
        random_bytes=counting_bytes(),
        authorize=authorize,
        key=key,
        proven=proven,
        allow_loopback=allow_loopback,
        limits=limits,
    )


def make_viewer(
    *,
    highest_version: Callable[[str, str], int] = never_below,
    vouch: Vouch = believe,
    envelope: Envelope | None = None,
    limits: Limits | None = None,
) -> ViewerEndpoint:
    """Return the viewer `alice`."""
    return ViewerEndpoint(
        namespace="mqcam",
        name="alice",
        envelope=envelope or PlainEnvelope("mqcam"),
        deadlines=DEADLINES,
        random_bytes=counting_bytes(),
        vouch=vouch,
        highest_version=highest_version,
        limits=limits,
    )


def to_device(
    message: Message | bytes, *, session: str = "s1", viewer: str = "alice", retained: bool = False
) -> Inbound:
    """Return a message as the device `cam` receives it from a viewer."""
    payload = message if isinstance(message, bytes) else encode(message)
    return Inbound(
        topic=TOPICS.to_device("cam", viewer, session), payload=payload, retained=retained
    )


def to_viewer(message: Message | bytes, *, session: str = "s1", device: str = "cam") -> Inbound:
    """Return a message as the viewer `alice` receives it from a device."""
    payload = message if isinstance(message, bytes) else encode(message)
    return Inbound(topic=TOPICS.to_viewer("alice", device, session), payload=payload)


def on_status(message: Message | bytes, *, device: str = "cam") -> Inbound:
    """Return a message as it comes from a device's status topic."""
    payload = message if isinstance(message, bytes) else encode(message)
    return Inbound(topic=TOPICS.status(device), payload=payload, retained=True)


def sent(effects: Sequence[Effect]) -> list[Message]:
    """Return the messages that the effects send, decoded."""
    return [decode(effect.payload) for effect in effects if isinstance(effect, Send)]


def codes(effects: Sequence[Effect]) -> list[str]:
    """Return the codes of what was rejected."""
    return [effect.code for effect in effects if isinstance(effect, Reject)]


def seen_from_device(key: SessionKey) -> SessionKey:
    """Return the device's key of the session that the viewer `alice` calls ``key``."""
    return SessionKey(peer="alice", peer_key="alice", session=key.session)


def seen_from_viewer(key: SessionKey) -> SessionKey:
    """Return the viewer's key of the session that the device `cam` calls ``key``."""
    return SessionKey(peer="cam", peer_key="cam", session=key.session)


@dataclass(slots=True)
class Pair:
    """Drive both endpoints in virtual time over a link with faults.

    ``faults`` yields for every message the delays (seconds) after which copies of it arrive:
    none for a lost one. When it is exhausted every message arrives once after 10 ms.
    """

    faults: Iterator[Sequence[float]]
    device: DeviceEndpoint = field(default_factory=make_device)
    viewer: ViewerEndpoint = field(default_factory=make_viewer)
    now: float = 0.0
    at_device: list[Effect] = field(default_factory=list)
    at_viewer: list[Effect] = field(default_factory=list)
    in_flight: list[tuple[float, int, Inbound]] = field(default_factory=list)
    _counter: Iterator[int] = field(default_factory=itertools.count)

    def start(self, *, status_first: bool) -> None:
        """Start the device and let the viewer offer, with or without knowing the status."""
        started = self.device.start(self.now)
        if status_first:
            for effect in started:
                assert isinstance(effect, Send)
                self.viewer.receive(Inbound(topic=effect.topic, payload=effect.payload), self.now)
        key, effects = self.viewer.offer("cam", sdp="v=0 offer", now=self.now)
        self.obey_viewer(effects)
        self.obey_viewer(
            self.viewer.local_candidates(key, [HOST], ufrag="v", end=False, now=self.now)
        )

    def run(self, until: float) -> None:
        """Deliver and tick in order of time; keep connected sessions alive."""
        while True:
            times = [at for at in (self.device.next_deadline, self.viewer.next_deadline) if at]
            if self.in_flight:
                times.append(self.in_flight[0][0])
            if not times or min(times) > until:
                self.now = until
                return
            self._hear()
            self._check_nothing_is_due_before(min(times))
            self.now = max(self.now, min(times))
            self._tick()
            while self.in_flight and self.in_flight[0][0] <= self.now:
                self._deliver(heapq.heappop(self.in_flight)[2])

    def obey_device(self, effects: Sequence[Effect]) -> None:
        """Do as the shell of a camera would."""
        self.at_device.extend(effects)
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Started):
                key, now = effect.key, self.now
                found = [HOST.replace("5000", str(port)) for port in range(6000, 6003)]
                self.obey_device(
                    self.device.local_candidates(key, found[:1], ufrag="d", end=False, now=now)
                )
                self.obey_device(self.device.answered(key, sdp="v=0 answer", now=now))
                for at in (1, 2):
                    self.obey_device(
                        self.device.local_candidates(
                            key, found[at : at + 1], ufrag="d", end=at == 2, now=now
                        )
                    )

    def obey_viewer(self, effects: Sequence[Effect]) -> None:
        """Do as the shell of a viewer would; media connects if both ends hold the session."""
        self.at_viewer.extend(effects)
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Answered):
                device_key = seen_from_device(effect.key)
                if device_key in self.device.sessions:
                    self.obey_device(self.device.connected(device_key, self.now))
                    self.obey_viewer(self.viewer.connected(effect.key, self.now))

    def of_device(self, kind: type[Effect]) -> list[Effect]:
        """Return what the device's shell was told of one kind."""
        return [effect for effect in self.at_device if isinstance(effect, kind)]

    def of_viewer(self, kind: type[Effect]) -> list[Effect]:
        """Return what the viewer's shell was told of one kind."""
        return [effect for effect in self.at_viewer if isinstance(effect, kind)]

    def _hear(self) -> None:
        for key in self.device.sessions:
            if seen_from_viewer(key) in self.viewer.sessions:
                self.device.heard(key, self.now)
                self.viewer.heard(seen_from_viewer(key), self.now)

    def _check_nothing_is_due_before(self, at: float) -> None:
        between = (self.now + at) / 2
        for endpoint in (self.device, self.viewer):
            due = endpoint.next_deadline
            if due is None or between < due:
                assert endpoint.tick(between) == []
                assert endpoint.next_deadline == due

    def _tick(self) -> None:
        device_due, viewer_due = self.device.next_deadline, self.viewer.next_deadline
        self.obey_device(self.device.tick(self.now))
        self.obey_viewer(self.viewer.tick(self.now))
        if device_due is not None and device_due <= self.now:
            assert self.device.next_deadline != device_due
        if viewer_due is not None and viewer_due <= self.now:
            assert self.viewer.next_deadline != viewer_due

    def _send(self, effect: Send) -> None:
        for delay in next(self.faults, (0.01,)):
            inbound = Inbound(topic=effect.topic, payload=effect.payload)
            heapq.heappush(self.in_flight, (self.now + delay, next(self._counter), inbound))

    def _deliver(self, inbound: Inbound) -> None:
        if inbound.topic == TOPICS.status("cam") or "/v/" in inbound.topic:
            self.obey_viewer(self.viewer.receive(inbound, self.now))
        if inbound.topic == TOPICS.status("cam") or "/d/" in inbound.topic:
            self.obey_device(self.device.receive(inbound, self.now))
