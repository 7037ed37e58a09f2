"""The device's nonces, and the tombstones of the sessions that were offered under each.

It must not know sessions: a tombstone is a pair of names, a hash and what was said last.
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from mqcam.protocol.deadlines import Deadlines

NONCE_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Grave:
    """Remember an ended session: its offer, and the payload that ended it, if there was one."""

    offer_hash: str
    last_word: bytes | None


@dataclass(slots=True, kw_only=True)
class Generation:
    """Hold one nonce and the graves of the sessions that were offered under it."""

    nonce: str
    graves: dict[tuple[str, str], Grave] = field(default_factory=dict)


class Nonces:
    """Keep the current nonce and the one before it.

    A grave lives as long as its nonce can be accepted, so that a replayed offer finds either a
    grave or a stale nonce. A full table of graves retires its nonce at once.
    """

    def __init__(
        self, *, random_bytes: Callable[[int], bytes], deadlines: Deadlines, graves_max: int
    ) -> None:
        self._random_bytes = random_bytes
        self._deadlines = deadlines
        self._graves_max = graves_max
        self._current = self._new()
        self._previous: Generation | None = None
        self._rotate_at = math.inf
        self._retire_at = math.inf

    def __len__(self) -> int:
        previous = 0 if self._previous is None else len(self._previous.graves)
        return len(self._current.graves) + previous

    @property
    def current(self) -> str:
        """The nonce that goes into the status."""
        return self._current.nonce

    @property
    def next_deadline(self) -> float:
        """When `tick` has something to do; infinite before `start`."""
        return min(self._rotate_at, self._retire_at)

    def start(self, now: float) -> None:
        """Begin the life of the first nonce."""
        self._rotate_at = now + self._deadlines.nonce_rotate_s

    def tick(self, now: float) -> bool:
        """Retire and rotate what is due; tell whether the current nonce changed."""
        if now >= self._retire_at:
            self._retire()
        if now < self._rotate_at:
            return False
        self._rotate(now)
        return True

    def is_good(self, nonce: str, now: float) -> bool:
        """Tell whether an offer made with ``nonce`` is fresh."""
        return self._find(nonce, now) is not None

    def grave(self, identity: tuple[str, str]) -> Grave | None:
        """Return the tombstone of (viewer key, session), or None."""
        found = self._current.graves.get(identity)
        if found is None and self._previous is not None:
            found = self._previous.graves.get(identity)
        return found

    def bury(self, nonce: str, identity: tuple[str, str], grave: Grave, now: float) -> bool:
        """Set a tombstone if ``nonce`` is still good.

        Tells whether the current nonce changed because the table is full.
        """
        generation = self._find(nonce, now)
        if generation is None:
            return False
        generation.graves[identity] = grave
        if len(generation.graves) < self._graves_max:
            return False
        if generation is self._current:
            self._rotate(now)
            return True
        self._retire()
        return False

    def _find(self, nonce: str, now: float) -> Generation | None:
        if nonce == self._current.nonce:
            return self._current
        if self._previous is not None and nonce == self._previous.nonce and now < self._retire_at:
            return self._previous
        return None

    def _rotate(self, now: float) -> None:
        self._previous = self._current
        self._current = self._new()
        self._retire_at = now + self._deadlines.nonce_grace_s
        self._rotate_at = now + self._deadlines.nonce_rotate_s

    def _retire(self) -> None:
        self._previous = None
        self._retire_at = math.inf

    def _new(self) -> Generation:
        random = self._random_bytes(NONCE_BYTES)
        return Generation(nonce=base64.urlsafe_b64encode(random).rstrip(b"=").decode("ascii"))
