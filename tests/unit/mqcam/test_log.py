"""Events are logged with their fields, in the form that the reader of the stream wants."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from typing import TYPE_CHECKING

import pytest
from mqcam import log
from mqcam.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger("mqcam.some")


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    libraries = {name: logging.getLogger(name).level for name in ("aiortc", "aioice", "paho")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, each in {**libraries, "asyncio": 0, "libav": 0, "PIL": 0}.items():
        logging.getLogger(name).setLevel(each)


def configured(
    level: log.Level = "info",
    form: log.Format = "text",
    stream: io.StringIO | None = None,
    **environ: str,
) -> io.StringIO:
    """Configure logging into the returned stream."""
    stream = stream or io.StringIO()
    log.configure(level, form, stream=stream, environ=environ, secrets=["hunter22"])
    return stream


def test_event_and_fields_stand_in_one_line() -> None:
    out = configured()
    fields = log.fields(path="direct", first_frame_ms=210, rtt_ms=1.23456789, codec=None, ok=True)
    logger.info("viewer connected", extra=fields)
    line = out.getvalue()
    assert line.endswith(
        "INFO    viewer connected path=direct first_frame_ms=210 rtt_ms=1.23457 codec=- ok=true\n"
    )


def test_value_that_needs_quotes_gets_them() -> None:
    out = configured()
    logger.info("x", extra=log.fields(text='a "b" c', empty="", line="a\nb", escape="\x1b[2J\x9b"))
    assert r'text="a \"b\" c" empty="" line="a\nb" escape="\u001b[2J\x9b"' in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_text_of_a_peer_cannot_forge_a_line(form: log.Format) -> None:
    out = configured(form=form)
    logger.warning("refused: %s", "a\n12:00:00 ERROR forged\r\x1b[31m")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_context_adds_fields_and_the_innermost_wins() -> None:
    out = configured()
    with log.context(device="front", session="a"):
        with log.context(session="b"):
            logger.info("one")
        logger.info("two", extra=log.fields(session="c"))
    logger.info("three")
    lines = [line.partition("INFO    ")[2] for line in out.getvalue().splitlines()]
    assert lines == ["one device=front session=b", "two device=front session=c", "three"]


async def test_context_goes_with_the_tasks_that_it_starts_and_no_others() -> None:
    out = configured()

    async def speak(name: str) -> None:
        logger.info(name)

    with log.context(session="a"):
        inside = asyncio.create_task(speak("inside"), name="inside")
    outside = asyncio.create_task(speak("outside"), name="outside")
    await asyncio.gather(inside, outside)
    assert "inside session=a\n" in out.getvalue()
    assert "outside\n" in out.getvalue()


def test_json_is_one_object_with_the_fields_as_they_are() -> None:
    out = configured(form="json")
    with log.context(device="front"):
        logger.warning("slow %s", "x", extra=log.fields(rtt_ms=3, event="never", key="abc"))
    entry = json.loads(out.getvalue())
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "warning",
        "logger": "mqcam.some",
        "event": "slow x",
        "device": "front",
        "rtt_ms": 3,
        "key": "[redacted]",
    }


def test_half_characters_do_not_break_json() -> None:
    # Not through a logger: what pytest keeps of a log could not be sent to another process.
    record = logging.makeLogRecord({"msg": "a\ud800b"})
    assert json.loads(log.JsonFormatter(Redactor()).format(record))["event"] == "a?b"


def test_level_is_obeyed() -> None:
    out = configured("warning")
    logger.info("unheard")
    logger.warning("heard")
    assert "unheard" not in out.getvalue()
    assert "heard" in out.getvalue()


@pytest.mark.parametrize("name", ["aiortc.rtp", "aioice.ice", "paho.mqtt.client", "asyncio"])
def test_libraries_are_heard_from_warning_on(name: str) -> None:
    out = configured("debug")
    logging.getLogger(name).info("chatter")
    logging.getLogger(name).warning("trouble with 192.0.2.1")
    assert "chatter" not in out.getvalue()
    assert "trouble with [address]" in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_stay_out_of_message_fields_and_trace(form: log.Format) -> None:
    out = configured("debug", form)
    try:
        raise ValueError("hunter22 at 192.0.2.1")  # noqa: TRY301 - the trace is what is tested
    except ValueError:
        logger.exception("hunter22 %s", "v=0\r\na=ice-pwd:abc\r\n", extra=log.fields(x="hunter22"))
    shown = out.getvalue()
    assert "Traceback" in shown
    for secret in ("hunter22", "192.0.2.1", "ice-pwd"):
        assert secret not in shown


def test_configuring_again_replaces_the_handler() -> None:
    first, second = configured(), configured()
    logger.info("once")
    assert first.getvalue() == ""
    assert second.getvalue().count("once") == 1


def test_colour_is_for_terminals_that_want_it() -> None:
    coloured = configured(stream=Terminal(), form="auto")
    logger.error("x")
    plain = configured(stream=Terminal(), form="auto", NO_COLOR="1")
    logger.error("x")
    no_terminal = configured(form="auto")
    logger.error("x")
    assert coloured.getvalue().startswith("\x1b[31m")
    assert "\x1b" not in plain.getvalue() + no_terminal.getvalue()


def test_every_line_for_journald_has_its_priority() -> None:
    """The journal makes an entry of each line; a trace must not fall back to level info."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as read, os.fdopen(writer, "w") as stream:
        status = os.fstat(writer)
        journal = f"{status.st_dev}:{status.st_ino}"
        log.configure("info", "auto", stream=stream, environ={"JOURNAL_STREAM": journal})
        logger.info("started")
        logger.error("failed", stack_info=True)
        stream.close()
        lines = read.read().splitlines()
    assert lines[0] == "<6>started"
    assert lines[1] == "<3>failed"
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines[1:])


def test_journal_of_another_stream_changes_nothing() -> None:
    out = configured(form="auto", JOURNAL_STREAM="1:2")
    logger.info("x")
    assert not out.getvalue().startswith("<")
