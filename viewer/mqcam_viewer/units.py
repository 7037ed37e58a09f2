"""Encoded pictures as they were received, for whoever keeps them instead of showing them.

It must not know packets, decoders or files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mqcam.depacketiser import VideoUnit

BUDGET: Final = 2.0
"""Requests that may follow each other; a camera gives a viewer no more."""

REFILL_S: Final = 2.0
"""Time after which a further request may be made."""

SPACING_S: Final = 0.8
"""A request that got no answer for this long was lost, or its keyframe was."""


@dataclass(slots=True, kw_only=True)
class ReceivedUnit:
    """One encoded picture with what is known of its time.

    ``session`` numbers the sessions of a stream: ``unit.ticks`` of different ones cannot be
    compared. ``camera_ns`` is when it was captured on the camera's clock, which all sessions
    share; None before the first report.
    """

    unit: VideoUnit
    session: int
    camera_ns: int | None = None


class KeyframeRequests:
    """Decide when to ask a camera for a keyframe; times in monotonic seconds.

    ``now`` is when the session began, with which a camera sends a keyframe unasked.
    """

    def __init__(self, now: float) -> None:
        self._keyframe_at = now
        self._asked_at = float("-inf")
        self._tokens = BUDGET
        self._filled_at = now
        self._is_wanted = False

    def want(self) -> None:
        """Ask for one soon, however young the last one is."""
        self._is_wanted = True

    def came(self, now: float) -> None:
        """Note a keyframe."""
        self._keyframe_at = now
        self._is_wanted = False

    def is_due(
        self, now: float, *, is_lost: bool, interval_s: float | None, answer_s: float = SPACING_S
    ) -> bool:
        """Tell whether to ask now, and count that as asked.

        ``is_lost``: pictures are dropped until a keyframe comes. ``interval_s``: the most that
        may lie between two keyframes; None does not mind. ``answer_s``: how long a request may
        go unanswered.
        """
        is_old = interval_s is not None and now - self._keyframe_at >= interval_s
        if not (is_lost or is_old or self._is_wanted) or now - self._asked_at < answer_s:
            return False
        self._tokens = min(BUDGET, self._tokens + (now - self._filled_at) / REFILL_S)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self._asked_at = now
        return True
