"""The viewer's end of all its sessions: messages and time in, effects out.

It must not know sockets, clocks or media: the shell brings what arrives and obeys the effects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mqcam.protocol.deadlines import Deadlines
    from mqcam.protocol.effects import Effect, Inbound, Send, SessionKey
    from mqcam.protocol.envelope import Envelope
    from mqcam.protocol.messages import Status, Want


class ViewerEndpoint:
    """Offer sessions to devices, keep them and remember the devices' statuses."""

    def __init__(
        self,
        *,
        namespace: str,
        name: str,
        envelope: Envelope,
        deadlines: Deadlines,
        random_bytes: Callable[[int], bytes],
        highest_version: Callable[[str], int] = lambda device: 1,
        allow_loopback: bool = False,
    ) -> None: ...
    @property
    def statuses(self) -> Mapping[str, Status]: ...
    @property
    def next_deadline(self) -> float | None: ...
    def will(self, key: SessionKey) -> Send: ...
    def take_pending(self) -> dict[str, int]: ...
    def offer(
        self,
        device: str,
        *,
        sdp: str,
        want: Want | None = None,
        replaces: str | None = None,
        session: str | None = None,
        now: float,
    ) -> tuple[SessionKey, list[Effect]]: ...
    def receive(self, message: Inbound, now: float) -> list[Effect]: ...
    def tick(self, now: float) -> list[Effect]: ...
    def local_candidates(
        self, key: SessionKey, candidates: Sequence[str], *, ufrag: str, end: bool, now: float
    ) -> list[Effect]: ...
    def connected(self, key: SessionKey, now: float) -> list[Effect]: ...
    def heard(self, key: SessionKey, at: float) -> None: ...
    def ended(
        self, key: SessionKey, *, reason: str, text: str = "", now: float
    ) -> list[Effect]: ...
    def stop(self, now: float) -> list[Effect]: ...
