"""What the window remembers from one day to the next: the camera shown last, when each was seen.

It must not know Qt. A memory that cannot be read is empty, one that cannot be written is lost:
neither keeps a window from opening.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from mqcam.files import read_bounded, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

MAX_CAMERAS = 500
"""The cameras seen last are remembered, so that the file stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The chosen camera, and when each one was last seen."""

    chosen: str | None = None
    seen: dict[str, datetime] = field(default_factory=dict)


def load(path: Path) -> Memory:
    """Return what is remembered; nothing where that cannot be read."""
    try:
        raw = json.loads(read_bounded(path))
        chosen = raw["chosen"]
        seen = {
            str(name): datetime.fromtimestamp(float(at)).astimezone()
            for name, at in raw["seen"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return Memory()
    return Memory(chosen=chosen if isinstance(chosen, str) else None, seen=seen)


def store(path: Path, memory: Memory) -> None:
    """Remember; where that is not possible, the log says why."""
    latest = sorted(memory.seen.items(), key=lambda each: each[1])[-MAX_CAMERAS:]
    raw = {"chosen": memory.chosen, "seen": {name: at.timestamp() for name, at in latest}}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(raw).encode())
    except OSError as error:
        logger.warning("what the window remembers was not written: %s", error)
