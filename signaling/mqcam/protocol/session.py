"""One session as its endpoint remembers it, and the event that moves it.

It must not know topics' shapes, envelopes or tables of sessions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mqcam.protocol.messages import (
    CANDIDATE_MAX_CHARS,
    CANDIDATES_MAX,
    Answer,
    Candidates,
)
from mqcam.protocol.roles import Event, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mqcam.protocol.effects import SessionKey
    from mqcam.protocol.envelope import Recipient
    from mqcam.protocol.held import Held
    from mqcam.protocol.messages import Bye, Error, Offer

_BATCH_MAX_CHARS = 7_000
"""Keeps a message of candidates below BODY_MAX_BYTES even if JSON escapes every character."""


_NO_ANSWER = Answer(re="", sdp="")
_NO_CANDIDATES = Candidates(n=0, ufrag="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Say why a session moves: what arrived or was reported, and when."""

    now: float
    code: str = ""
    text: str = ""
    remote: bool = False
    answer: Answer = _NO_ANSWER
    candidates: Candidates = _NO_CANDIDATES


@dataclass(slots=True)
class Queue:
    """Collect local candidates of one session until they are sent together."""

    waiting: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    ufrag: str = ""
    end: bool = False
    """The end was reported and is not sent yet."""
    ended: bool = False
    """The end was sent."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.waiting or self.end)

    def add(self, candidates: Sequence[str], *, ufrag: str, end: bool, room: int) -> list[str]:
        """Take what fits on the wire and into ``room``; return what does not."""
        self.ufrag = ufrag
        self.end = self.end or end
        refused = []
        for candidate in candidates:
            fits = len(candidate) <= CANDIDATE_MAX_CHARS
            has_room = len(self.waiting) + len(self.sent) < room
            if fits and has_room and candidate.isascii() and candidate.isprintable():
                self.waiting.append(candidate)
            else:
                refused.append(candidate)
        return refused

    def take(self) -> Iterator[tuple[tuple[str, ...], bool]]:
        """Yield the waiting candidates as messages of candidates and end, and be empty."""
        waiting, self.waiting = self.waiting, []
        self.sent.extend(waiting)
        end, self.end = self.end, False
        self.ended = self.ended or end
        while True:
            part: list[str] = []
            while (
                waiting
                and len(part) < CANDIDATES_MAX
                and sum(map(len, part)) + len(waiting[0]) <= _BATCH_MAX_CHARS
            ):
                part.append(waiting.pop(0))
            yield tuple(part), end and not waiting
            if not waiting:
                return

    def again(self) -> Queue:
        """Return a queue that sends everything once more, for a session of another name."""
        return Queue(waiting=self.sent + self.waiting, ufrag=self.ufrag, end=self.end or self.ended)


@dataclass(slots=True, kw_only=True)
class Session:
    """Remember everything about one session; ``math.inf`` is a timer that does not run."""

    key: SessionKey
    topic: str
    recipient: Recipient
    offer: Offer
    held: Held
    offer_hash: str = ""
    rights: frozenset[str] = frozenset()
    state: State = State.NEW
    offered_at: float
    timeout_at: float = math.inf
    resend_at: tuple[float, ...] = ()
    batch_at: float = math.inf
    heard_at: float = -math.inf
    gone_at: float | None = None
    next_n: int = 0
    last_n: int = -1
    stored_sdp: bytes = b""
    last_word: bytes | None = None
    queue: Queue = field(default_factory=Queue)
    taken: int = 0
    replaces: SessionKey | None = None
    retries: int = 0
    unheard: int = 0
    """How often the offer was repeated early because nobody listened."""

    @property
    def due_at(self) -> float:
        """When the next of its timers runs out."""
        resend_at = self.resend_at[0] if self.resend_at else math.inf
        return min(self.timeout_at, resend_at, self.batch_at)

    def due(self, now: float) -> Event | None:
        """Return the event of the timer that ran out, the most final first."""
        if now >= self.timeout_at:
            return Event.TIMEOUT
        if self.resend_at and now >= self.resend_at[0]:
            return Event.RESEND
        return Event.BATCH if now >= self.batch_at else None

    def repeat_by(self, at: float) -> bool:
        """Plan a repetition; False if one comes sooner anyhow, or it would be too late."""
        if at >= self.timeout_at or (self.resend_at and self.resend_at[0] <= at):
            return False
        self.resend_at = (at, *self.resend_at)
        return True

    def number(self) -> int:
        """Return the next ``n`` of our direction."""
        self.next_n += 1
        return self.next_n - 1

    def accept(self, message: Candidates | Bye | Error) -> bool:
        """Tell whether ``message`` is newer than everything before it in its direction."""
        if message.n <= self.last_n:
            return False
        self.last_n = message.n
        return True
