"""Log events as text with fields, for a terminal, for journald or as JSON; secrets stay out.

It must not know who logs what: it formats, redacts and routes stdlib logging.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import os
import sys
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, TextIO

from mqcam.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Format = Literal["auto", "text", "json"]
Level = Literal["debug", "info", "warning", "error"]

_QUIET_LIBRARIES = ("aiortc", "aioice", "paho", "asyncio", "libav", "PIL")
_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_PLAIN: Final = "\x1b[0m"

_context: contextvars.ContextVar[Mapping[str, object]] = contextvars.ContextVar(
    "log_fields",
    default=MappingProxyType({}),
)


def configure(
    level: Level = "info",
    format: Format = "auto",  # noqa: A002 - the name of the key in the configuration
    *,
    stream: TextIO | None = None,
    secrets: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> None:
    """Send all logging to ``stream`` (standard error) in ``format``; calling again replaces it.

    ``auto`` is text with a ``<priority>`` prefix where journald reads the stream, with colour on
    a terminal. ``secrets`` are texts of this process that must never appear, whoever logs them.
    """
    target = sys.stderr if stream is None else stream
    environ = os.environ if environ is None else environ
    redactor = Redactor(secrets)
    formatter: logging.Formatter
    if format == "json":
        formatter = JsonFormatter(redactor)
    elif format == "auto" and _is_read_by_journald(target, environ):
        formatter = JournalFormatter(redactor)
    else:
        formatter = TextFormatter(redactor, is_coloured=_wants_colour(target, environ))
    handler = _Handler(target)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _Handler)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def fields(**values: object) -> dict[str, object]:
    """Build ``extra`` of a log call: ``log.info("viewer connected", extra=fields(path="lan"))``."""
    return {"fields": values}


@contextlib.contextmanager
def context(**values: object) -> Iterator[None]:
    """Add fields (device, session, viewer) to every record of this task and the tasks it starts."""
    token = _context.set({**_context.get(), **values})
    try:
        yield
    finally:
        _context.reset(token)


class TextFormatter(logging.Formatter):
    """``12:00:00.000 INFO  viewer connected session=... path=direct``, for people."""

    def __init__(self, redactor: Redactor, *, is_coloured: bool = False) -> None:
        super().__init__()
        self._redactor = redactor
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and below it the traceback if there is one."""
        at = datetime.fromtimestamp(record.created, tz=UTC).astimezone()
        line = f"{at:%H:%M:%S}.{at.microsecond // 1000:03d} {record.levelname:<7} "
        line += _event(record, self._redactor)
        if self._is_coloured and record.levelname in _COLOURS:
            line = f"{_COLOURS[record.levelname]}{line}{_PLAIN}"
        trace = _trace(record, self._redactor)
        return f"{line}\n{trace}" if trace else line


class JournalFormatter(logging.Formatter):
    """``<6>viewer connected session=...``: journald knows the time and takes the priority."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return lines that each carry their priority, as journald makes an entry of each."""
        text = _event(record, self._redactor)
        if trace := _trace(record, self._redactor):
            text += f"\n{trace}"
        prefix = f"<{_PRIORITIES.get(record.levelname, 5)}>"
        return "\n".join(prefix + line for line in text.splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object a line, for programs."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        """Return time, level, logger and event; below them the fields, as they are called."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": self._redactor.text(record.getMessage()),
        }
        for name, value in _fields(record, self._redactor).items():
            entry.setdefault(name, value)
        if trace := _trace(record, self._redactor):
            entry["trace"] = trace
        return json.dumps(entry, ensure_ascii=False).encode(errors="replace").decode()


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that ``configure`` replaces its own handler and nobody else's."""


def _event(record: logging.LogRecord, redactor: Redactor) -> str:
    event = _one_line(redactor.text(record.getMessage()))
    pairs = [f"{name}={_logfmt(value)}" for name, value in _fields(record, redactor).items()]
    return " ".join([event, *pairs])


def _fields(record: logging.LogRecord, redactor: Redactor) -> dict[str, object]:
    own = getattr(record, "fields", {})
    return {name: redactor.field(name, each) for name, each in {**_context.get(), **own}.items()}


def _trace(record: logging.LogRecord, redactor: Redactor) -> str:
    parts = []
    if record.exc_info:
        parts.append(logging.Formatter().formatException(record.exc_info))
    if record.stack_info:
        parts.append(record.stack_info)
    lines = redactor.text("\n".join(parts)).splitlines()
    return "\n".join(_one_line(line) for line in lines)


def _logfmt(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    if text and text.isprintable() and not any(letter in text for letter in ' "='):
        return text
    return _one_line(json.dumps(text, ensure_ascii=False))


def _one_line(text: str) -> str:
    # A peer's text must not begin a line of its own, nor move the terminal's cursor.
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _is_read_by_journald(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Tell whether the stream is the one that systemd connected to the journal (systemd.exec)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return stream.isatty() and "NO_COLOR" not in environ and environ.get("TERM") != "dumb"
