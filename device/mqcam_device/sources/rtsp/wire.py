"""RTSP 1.0 as bytes: requests out, answers and interleaved packets in (RFC 2326).

It must not know sockets, what is asked for, or what the packets carry. Cameras are taken as they
are: header names in any case, bare line feeds, requests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.errors import LocalProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_HEAD_BYTES: Final = 16_384
MAX_HEADERS: Final = 100
MAX_BODY_BYTES: Final = 65_536
"""A description is a few hundred bytes."""

MAX_DIGITS: Final = 9
"""No number of a camera is longer; Python refuses to read those of thousands."""

_DOLLAR: Final = 0x24
_PACKET_HEAD_BYTES: Final = 4
_ENDS: Final = (b"\r\n\r\n", b"\n\n")
_TEXT: Final = frozenset((*range(0x20, 0x7F), *b"\r\n\t"))
_VERSION: Final = "RTSP/1."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a camera answers; header names in lower case, each with all its values.

    ``status`` is 0 for what was a request of the camera's own.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]]
    body: str = ""

    def header(self, name: str) -> str:
        """Return the first value of a header, empty if there is none."""
        return self.headers.get(name, ("",))[0]

    @property
    def number(self) -> int:
        """Which request it answers (CSeq), -1 if it does not say it."""
        return number_of(self.header("cseq"))


@dataclass(slots=True)
class Interleaved:
    """One RTP or RTCP packet. Not frozen, because many are made."""

    channel: int
    data: bytes


def number_of(text: str) -> int:
    """Return what is a decimal number of few digits, -1 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else -1


def encode_request(method: str, url: str, number: int, headers: Mapping[str, str]) -> bytes:
    """Return a request without a body; the values must be of one line."""
    fields = {"CSeq": str(number), "User-Agent": "mqcam", **headers}
    lines = [f"{method} {url} RTSP/1.0", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


class Reader:
    """Cut a byte stream into answers and packets; keeps at most one unfinished message."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[Answer, int, int] | None = None

    def feed(self, data: bytes) -> Iterator[Answer | Interleaved]:
        """Yield what is complete; raises LocalProtocolError when it is no RTSP."""
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while at < len(buffer):
                found, at = self._next(at)
                if found is None:
                    return
                yield found
        finally:
            del buffer[:at]

    def _next(self, at: int) -> tuple[Answer | Interleaved | None, int]:
        """Return the message that begins here and where it ends; None while it is incomplete."""
        buffer = self._buffer
        if buffer[at] == _DOLLAR:
            begin = at + _PACKET_HEAD_BYTES
            end = begin + int.from_bytes(buffer[at + 2 : begin], "big")
            if len(buffer) < begin or len(buffer) < end:
                return None, at
            return Interleaved(buffer[at + 1], bytes(buffer[begin:end])), end
        while at < len(buffer) and buffer[at] in b"\r\n":  # some pad their answers
            at += 1
        if at == len(buffer) or buffer[at] == _DOLLAR:
            return (None, at) if at == len(buffer) else self._next(at)
        return self._next_answer(at)

    def _next_answer(self, at: int) -> tuple[Answer | None, int]:
        answer, size, length = self._head or self._find_head(at)
        if answer is None:
            return None, at
        end = at + size + length
        if len(self._buffer) < end:
            # Kept, because a slow camera would have it read again for each byte of its body.
            self._head = answer, size, length
            return None, at
        self._head = None
        body = bytes(self._buffer[at + size : end]).decode("utf-8", "replace")
        return Answer(status=answer.status, headers=answer.headers, body=body), end

    def _find_head(self, at: int) -> tuple[Answer | None, int, int]:
        """Return an answer without its body, and the sizes of head and body."""
        last = at + MAX_HEAD_BYTES
        places = ((self._buffer.find(end, at, last), len(end)) for end in _ENDS)
        ends = [(place, length) for place, length in places if place >= 0]
        if not ends:
            if len(self._buffer) >= last or not _may_begin(self._buffer, at):
                raise LocalProtocolError("what the camera says is no RTSP")
            return None, 0, 0
        place, length = min(ends)
        status, headers = _read_head(bytes(self._buffer[at:place]))
        answer = Answer(status=status, headers=headers)
        size = number_of(answer.header("content-length") or "0")
        if size < 0:
            raise LocalProtocolError("the camera's answer has no sane length")
        if size > MAX_BODY_BYTES:
            raise LocalProtocolError("the camera's answer is too long")
        return answer, place + length - at, size


def _may_begin(buffer: bytearray, at: int) -> bool:
    """Tell whether this may be the beginning of an answer or a request: text."""
    return all(byte in _TEXT for byte in buffer[at : at + 64])


def _read_head(head: bytes) -> tuple[int, dict[str, tuple[str, ...]]]:
    first, *lines = head.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    words = first.split(None, 2)
    if len(words) < 2 or not (words[0].startswith(_VERSION) or words[-1].startswith(_VERSION)):  # noqa: PLR2004
        raise LocalProtocolError("what the camera says is no RTSP")
    if len(lines) > MAX_HEADERS:
        raise LocalProtocolError("the camera's answer has too many headers")
    status = number_of(words[1]) if words[0].startswith(_VERSION) else 0
    if status < 0:
        raise LocalProtocolError("the camera answers without a status")
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = (*headers.get(key, ()), value.strip())
    return status, headers
