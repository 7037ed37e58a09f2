"""Log events as text with fields, for a terminal, for journald or as JSON; secrets stay out.

It must not know who logs what: it only formats, redacts, counts and routes stdlib logging.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

Format = Literal["auto", "text", "json"]
Level = Literal["debug", "info", "warning", "error"]


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002 - the name of the key in the configuration
    *,
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send all logging to ``stream`` (standard error) in ``format``; calling again replaces it."""
    raise NotImplementedError


def fields(**values: object) -> dict[str, object]:
    """Build ``extra`` for a log call: ``log.info("viewer connected", extra=fields(path="direct"))``."""
    return {"fields": values}


def context(**values: object) -> AbstractContextManager[None]:
    """Add fields (device, session, viewer) to every record of this task and the tasks it starts."""
    raise NotImplementedError


class Throttle:
    """Count trouble that may come with every packet, so that each kind is told once a second."""

    def __init__(self, *, interval_s: float = 1.0, max_kinds: int = 64) -> None:
        raise NotImplementedError

    def count(self, kind: str, now: float) -> int:
        """Count one; return how many to report now, 0 to stay silent."""
        raise NotImplementedError

    def due(self, now: float) -> dict[str, int]:
        """Return and forget what was counted but not reported for a whole interval."""
        raise NotImplementedError
