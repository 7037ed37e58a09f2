"""The seam between a camera that encodes by itself and what passes its pictures on.

It must not know cameras, viewers or threads.
"""

from __future__ import annotations

import contextlib
import os
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PICTURE_BYTES: Final = 4_000_000
"""The capture link carries no more (capture/wire.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInfo:
    """What a feed says before its first picture.

    ``parameter_sets`` are Annex B, empty where they come with the pictures; ``fps`` is None where
    it is not told. Timestamps have ``rate_hz`` ticks a second and wrap at ``bits``, None: never.
    """

    rate_hz: int
    bits: int | None = None
    parameter_sets: bytes = b""
    fps: float | None = None
    can_force_keyframe: bool = False
    is_own_clock: bool = False
    """Timestamps are of CLOCK_MONOTONIC of this machine."""


@dataclass(slots=True)
class EncodedPicture:
    """One picture as the camera encoded it, Annex B. Not frozen, because one is made per frame.

    ``is_after_loss`` says that pictures before it are missing.
    """

    data: bytes
    timestamp: int | None
    arrived_ns: int
    is_after_loss: bool = False


class Bell:
    """Wakes the one thread that waits for a camera. One other thread rings, and closes it at last.

    ``is_last`` says that the source is to end.
    """

    def __init__(self) -> None:
        self.fd = -1
        self.is_last = False

    def open(self) -> None:
        """Take a descriptor; before that ringing is without effect."""
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self, *, is_last: bool = False) -> None:
        """Wake, now or at the next wait."""
        self.is_last = self.is_last or is_last
        if self.fd >= 0:
            os.eventfd_write(self.fd, 1)

    def wait(self, timeout_s: float, *readable: int) -> list[int]:
        """Wait for the bell or for one of the descriptors; return those that can be read."""
        ready, _, _ = select.select([self.fd, *readable], [], [], max(timeout_s, 0.0))
        if self.fd in ready:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.fd)
        return [each for each in ready if each != self.fd]

    def close(self) -> None:
        """Give the descriptor back; nobody may wait any more."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class Feed(Protocol):
    """One connection to a camera at a time, used by one thread.

    What it raises is a SourceError with a sentence, in which nothing of an account stands.
    """

    def open(self, bell: Bell) -> FeedInfo:
        """Connect, until the bell's last ring. Raises SourceError."""
        ...

    def read(self, timeout_s: float) -> Sequence[EncodedPicture]:
        """Return what came; nothing after the time-out or at the bell. Raises SourceError."""
        ...

    def request_keyframe(self) -> bool:
        """Make the next picture a keyframe; False where the camera cannot. Any thread may ask."""
        ...

    def close(self) -> None:
        """Let the camera go; idempotent."""
        ...
