"""RTSP is read as cameras write it, in pieces of any size, and garbage is called that."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import LocalProtocolError
from mqcam_device.sources.rtsp import wire
from mqcam_device.sources.rtsp.wire import (
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    Answer,
    Interleaved,
    Reader,
    encode_request,
)

ANSWER = b"RTSP/1.0 200 OK\r\ncseq: 3\r\nContent-Length: 4\r\nA: 1\r\na: 2\r\n\r\nbody"
PACKET = b"$\x02\x00\x05\r\n\r\n$"
STREAM = ANSWER + PACKET + b"\r\n" + ANSWER + b"OPTIONS * RTSP/1.0\nCSeq: 9\n\n" + PACKET


def read(*pieces: bytes) -> list[Answer | Interleaved]:
    reader = Reader()
    return [each for piece in pieces for each in reader.feed(piece)]


def test_answers_and_packets_come_out_in_their_order() -> None:
    first, packet, second, request, last = read(STREAM)

    assert isinstance(first, Answer)
    assert (first.status, first.number, first.body) == (200, 3, "body")
    assert first.headers["a"] == ("1", "2")
    assert packet == last == Interleaved(2, b"\r\n\r\n$")
    assert second == first
    assert isinstance(request, Answer)
    assert (request.status, request.number) == (0, 9)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_pieces_of_any_size_say_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(places)]

    assert read(*pieces) == read(STREAM)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x80\x81\x82",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 yes OK\r\n\r\n",
        b"x" * (MAX_HEAD_BYTES + 1),
        b"RTSP/1.0 200 OK\r\nA: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"A: 1\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"RTSP/1.0 " + b"2" * 5000 + b" OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 70000\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 9999999999\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_garbage_is_called_that(garbage: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        read(garbage)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data)
    except LocalProtocolError:
        return


@pytest.mark.parametrize("number", [b"\xc2\xb2", b"9" * 5000])
def test_number_that_is_none_is_no_number(number: bytes) -> None:
    (answer,) = read(b"RTSP/1.0 200 OK\r\nCSeq: " + number + b"\r\n\r\n")

    assert isinstance(answer, Answer)
    assert answer.number == -1


def test_head_is_read_once_however_slowly_its_body_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = Mock(wraps=wire._read_head)
    monkeypatch.setattr(wire, "_read_head", reading)
    head = b"RTSP/1.0 200 OK\r\nContent-Length: 400\r\n\r\n"

    (answer,) = read(head, *[b"x"] * 400)

    assert isinstance(answer, Answer)
    assert answer.body == "x" * 400
    assert reading.call_count == 1


def test_request_is_text_with_a_number() -> None:
    request = encode_request("PLAY", "rtsp://c/1", 7, {"Session": "1"})

    lines = request.decode().split("\r\n")
    assert lines[0] == "PLAY rtsp://c/1 RTSP/1.0"
    assert {"CSeq: 7", "Session: 1"} <= set(lines)
    assert lines[-2:] == ["", ""]
