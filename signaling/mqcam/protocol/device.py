"""The device's end of all its sessions: messages and time in, effects out.

It must not know sockets, clocks or media: the shell brings what arrives and obeys the effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import Effect, Inbound, Send, SessionKey
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.messages import CaptureState, Clock, IceServer, MediaClock, Offer


class DeviceEndpoint:
    """Answer offers, keep sessions and publish the status of one device."""

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        boot: str,
        envelope: Envelope,
        deadlines: Deadlines,
        max_viewers: int,
        random_bytes: Callable[[int], bytes],
        authorize: Callable[[Offer, str], bool] = lambda offer, key: True,
        allow_loopback: bool = False,
    ) -> None: ...
    @property
    def next_deadline(self) -> float | None: ...
    def start(self, now: float) -> list[Effect]: ...
    def birth(self) -> Send: ...
    def will(self) -> Send: ...
    def take_pending(self) -> dict[str, int]: ...
    def receive(self, message: Inbound, now: float) -> list[Effect]: ...
    def tick(self, now: float) -> list[Effect]: ...
    def answered(
        self,
        key: SessionKey,
        *,
        sdp: str,
        ice_servers: Sequence[IceServer] = (),
        clock: MediaClock | None = None,
        now: float,
    ) -> list[Effect]: ...
    def refused(self, key: SessionKey, *, code: str, text: str, now: float) -> list[Effect]: ...
    def local_candidates(
        self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool, now: float
    ) -> list[Effect]: ...
    def connected(self, key: SessionKey, now: float) -> list[Effect]: ...
    def heard(self, key: SessionKey, at: float) -> None: ...
    def ended(
        self, key: SessionKey, *, reason: str, text: str = "", now: float
    ) -> list[Effect]: ...
    def update_status(
        self,
        *,
        state: str | None = None,
        capture: CaptureState | None = None,
        clock: Clock | None = None,
        capabilities: Sequence[str] | None = None,
        now: float,
    ) -> list[Effect]: ...
    def stop(self, now: float) -> list[Effect]: ...
