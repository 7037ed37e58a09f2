"""A video source that a test has started: its units and states, each awaited with a deadline.

It must not know which source it is.
"""

from __future__ import annotations

import queue
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam_device.media import AccessUnit, SourceState, StreamInfo, VideoSource

    State = tuple[SourceState, StreamInfo | None, str]

DEADLINE_S = 10.0
STOP_S = 2.0


class Watched:
    """A started source, its units and its states."""

    def __init__(self, source: VideoSource) -> None:
        self.source = source
        self.units: queue.Queue[AccessUnit] = queue.Queue()
        self.states: queue.Queue[State] = queue.Queue()
        self.info = source.start(self.units.put, lambda *state: self.states.put(state))

    def unit(self) -> AccessUnit:
        """Return the next unit."""
        return self.units.get(timeout=DEADLINE_S)

    def keyframe(self) -> AccessUnit:
        """Return the next keyframe."""
        while not (unit := self.unit()).keyframe:
            pass
        return unit

    def state(self) -> State:
        """Return the next state that was told."""
        return self.states.get(timeout=DEADLINE_S)


@contextmanager
def watched(source: VideoSource) -> Iterator[Watched]:
    """Start a source, and end it: its threads must be gone then."""
    subject = Watched(source)
    try:
        yield subject
    finally:
        assert source.stop(STOP_S)
        assert not {"source", "grabber"} & {thread.name for thread in threading.enumerate()}
