"""Sees all that a source does: units with the time of their arrival, and states.

It must not know what is right or wrong.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam_device.media import MAIN, AccessUnit, SourceState, StreamInfo

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Arrival:
    """A unit, and when the sink got it, CLOCK_MONOTONIC in nanoseconds."""

    unit: AccessUnit
    at_ns: int


class Witness:
    """A sink and a state listener in one; a source's thread tells it, a test reads it."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.states: list[tuple[SourceState, StreamInfo | None, str]] = []
        self._counts: Counter[str] = Counter()
        self._changed = threading.Condition()

    def take(self, unit: AccessUnit) -> None:
        """Be the sink."""
        at_ns = time.monotonic_ns()
        with self._changed:
            self.arrivals.append(Arrival(unit, at_ns))
            self._counts[unit.layer] += 1
            self._changed.notify_all()

    def hear(self, state: SourceState, info: StreamInfo | None, text: str) -> None:
        """Be the listener."""
        with self._changed:
            self.states.append((state, info, text))
            self._changed.notify_all()

    def units(self, layer: str = MAIN) -> list[AccessUnit]:
        """Return the units of a layer so far."""
        return [each.unit for each in self.arrivals if each.unit.layer == layer]

    def count(self, layer: str = MAIN) -> int:
        """Return how many they are."""
        return self._counts[layer]

    def wait(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something holds, looked at after each event; False when it does not."""
        with self._changed:
            return self._changed.wait_for(is_so, timeout_s)

    def wait_for(self, count: int, layer: str, timeout_s: float) -> bool:
        """Wait until a layer has had so many units; False when it has not in time."""
        return self.wait(lambda: self._counts[layer] >= count, timeout_s)

    def wait_for_more(self, count: int, layer: str, timeout_s: float) -> bool:
        """Wait for so many further units of a layer."""
        return self.wait_for(self._counts[layer] + count, layer, timeout_s)

    def wait_for_keyframe(self, since: int, layer: str, timeout_s: float) -> bool:
        """Wait for a keyframe among the units of a layer from number ``since`` of them on."""
        return self.wait(
            lambda: any(unit.keyframe for unit in self.units(layer)[since:]), timeout_s
        )

    def failure(self) -> str:
        """Return the sentence with which the source failed, empty if it did not."""
        sentences = (text for state, _, text in self.states if state is SourceState.FAILED)
        return next(sentences, "")
