"""Every deadline of the supervision of the capture child.

It must not know anything but numbers. Why they are what they are: docs/decisions/supervision.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureTimings:
    """The deadlines, in seconds.

    A layer is silent after ``stall_s`` or ``stall_frames`` of its slowest announced frame
    intervals, whichever is longer; after it was woken, or its camera opened, it has at least
    ``first_unit_s``, and ``patience_s`` where its source cannot make keyframes. A source that says
    itself that it stalled has ``patience_s`` too. A new child must have its camera within
    ``hello_s``. A reopened one must be open within ``open_s``, or ``slow_open_s`` if it had said
    that it stalled, show a picture within ``settle_s`` after that, and all within ``reopen_s``. A
    child is asked for a sign of life each ``ping_every_s``, for which it has ``calm_answer_s``, and
    when it falls silent, for which it has ``answer_s``; no call of its camera may take ``hang_s``.

    After ``healthy_s`` of pictures a fault is the first again, after ``calm_s`` without one too.
    ``respawn_s`` are the pauses before the next child after so many faults in a row,
    ``source_retry_s`` those after a camera that says why it cannot run; of either, ``eager_s`` is
    all that somebody waits who comes to look meanwhile.
    """

    hello_s: float = 20.0
    stop_s: float = 2.0
    kill_s: float = 5.0
    stall_s: float = 1.0
    stall_frames: float = 4.0
    first_unit_s: float = 3.0
    patience_s: float = 15.0
    open_s: float = 2.0
    slow_open_s: float = 10.0
    settle_s: float = 1.5
    reopen_s: float = 3.0
    ping_every_s: float = 10.0
    answer_s: float = 1.0
    calm_answer_s: float = 3.0
    hang_s: float = 15.0
    healthy_s: float = 2.0
    calm_s: float = 600.0
    reopens: int = 5
    respawn_s: tuple[float, ...] = (0.0, 1.0, 2.0, 5.0, 10.0, 60.0)
    source_retry_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0)
    eager_s: float = 1.0
