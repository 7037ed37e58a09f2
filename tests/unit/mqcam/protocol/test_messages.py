from __future__ import annotations

import contextlib
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.errors import LocalProtocolError, MalformedMessage, UnsupportedVersion
from mqcam.protocol.codec import body_hash, clean_text, decode, encode, is_gone
from mqcam.protocol.messages import (
    BODY_MAX_BYTES,
    ROTATIONS,
    TEXT_MAX_CHARS,
    Answer,
    Bye,
    Candidates,
    CaptureState,
    Clock,
    Error,
    Gone,
    IceServer,
    MediaClock,
    Message,
    Offer,
    Status,
    Want,
)

TEXT = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)
WORD = st.from_regex(r"[a-z0-9-]{1,20}", fullmatch=True)
NONCE = st.from_regex(r"[A-Za-z0-9_-]{0,22}", fullmatch=True)
HASH = st.from_regex(r"[A-Za-z0-9_-]{43}", fullmatch=True)
NUMBER = st.integers(0, 2**53 - 1)
SIDE = st.one_of(st.none(), st.integers(1, 16_384))
RATE = st.one_of(st.none(), st.floats(0, 1000))

MESSAGES: st.SearchStrategy[Message] = st.one_of(
    st.builds(
        Status,
        n=NUMBER,
        state=WORD,
        boot=TEXT,
        nonce=NONCE,
        certificate=TEXT,
        seal_key=TEXT,
        capabilities=st.lists(TEXT, max_size=3).map(tuple),
        capture=st.builds(
            CaptureState,
            state=WORD,
            width=SIDE,
            height=SIDE,
            fps_min=RATE,
            fps_max=RATE,
            rotation=st.sampled_from(ROTATIONS),
            text=TEXT,
        ),
        clock=st.builds(Clock, synchronised=st.booleans()),
        v=st.just(1),
    ),
    st.builds(
        Offer,
        nonce=NONCE,
        sdp=st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
        want=st.builds(
            Want,
            width=SIDE,
            height=SIDE,
            fps=RATE,
            bitrate_bps=st.one_of(st.none(), st.integers(1, 10**9)),
            layer=TEXT,
        ),
        replaces=NONCE,
        grant=TEXT,
        n=st.just(0),
        v=st.just(1),
    ),
    st.builds(
        Answer,
        re=HASH,
        sdp=TEXT,
        ice_servers=st.lists(
            st.builds(
                IceServer,
                urls=st.lists(TEXT, max_size=2).map(tuple),
                username=TEXT,
                credential=TEXT,
            ),
            max_size=2,
        ).map(tuple),
        clock=st.one_of(
            st.none(),
            st.builds(MediaClock, rtp_timestamp=st.integers(0, 2**32 - 1), captured_us=NUMBER),
        ),
        n=NUMBER,
        v=st.just(1),
    ),
    st.builds(
        Candidates,
        n=NUMBER,
        ufrag=TEXT,
        candidates=st.lists(TEXT, max_size=4).map(tuple),
        end=st.booleans(),
        v=st.just(1),
    ),
    st.builds(Bye, n=NUMBER, reason=WORD, text=TEXT, v=st.just(1)),
    st.builds(
        Error,
        n=NUMBER,
        code=WORD,
        text=TEXT,
        re=st.one_of(st.just(""), HASH),
        nonce=NONCE,
        speaks=st.one_of(st.none(), st.integers(1, 9)),
        received=st.one_of(st.none(), st.integers(1, 9)),
        v=st.just(1),
    ),
    st.just(Gone()),
)


FULL: list[Message] = [
    Status(
        n=1,
        state="online",
        boot="b",
        nonce="",
        capture=CaptureState(
            state="running", width=64, height=48, fps_min=1.5, fps_max=30.0, rotation=90
        ),
        since=7,
    ),
    Offer(nonce="", sdp="", want=Want(width=64, height=48, fps=15.0, bitrate_bps=9, layer="low")),
    Answer(re="A" * 43, sdp="", clock=MediaClock(rtp_timestamp=1, captured_us=2)),
    Candidates(n=1, ufrag=""),
    Bye(n=1, reason="closed"),
    Error(n=1, code="busy", speaks=1, received=2),
]
"""Messages in which every field that is a number has one."""


@given(MESSAGES)
def test_what_is_encoded_is_decoded(message: Message) -> None:
    assert decode(encode(message)) == message


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(lambda text: text.encode(errors="replace")),
    )
)
def test_any_bytes_decode_or_raise_the_two_errors(body: bytes) -> None:
    with contextlib.suppress(MalformedMessage, UnsupportedVersion):
        decode(body)


@given(MESSAGES, st.data())
def test_damaged_messages_decode_or_raise_the_two_errors(
    message: Message, data: st.DataObject
) -> None:
    body = bytearray(encode(message))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedMessage, UnsupportedVersion):
        decode(bytes(body))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 8_000,
        b'{"v":1,"t":"bye","n":' + b"9" * 5_000 + b"}",
        b'{"v":1,"t":"gone","x":"' + b"x" * BODY_MAX_BYTES + b'"}',
        b"\xff",
    ],
)
def test_hostile_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode(body)


LONG_NUMBERS = [
    b"9" * 400,
    b"-" + b"9" * 400,
    b"9" * 4300,
    b"9" * 4301,
    b"1e999",
    b"-1e999",
    b"0." + b"9" * 5000,
]
"""Above what a float holds, above what Python reads, and what it reads as infinite."""


def number_places(body: bytes) -> list[tuple[int, int]]:
    return [match.span(1) for match in re.finditer(rb"[:\[](-?[0-9.]+)(?=[,}\]])", body)]


@pytest.mark.parametrize("number", LONG_NUMBERS, ids=lambda each: f"{each[:3]!r}-{len(each)}")
@pytest.mark.parametrize("message", FULL, ids=lambda each: type(each).__name__)
def test_a_number_of_any_length_anywhere_raises_nothing_else(
    message: Message, number: bytes
) -> None:
    body = encode(message)
    places = number_places(body)
    assert len(places) >= 2
    for begin, end in places:
        with contextlib.suppress(MalformedMessage, UnsupportedVersion):
            decode(body[:begin] + number + body[end:])


def test_body_that_is_too_large_is_not_encoded() -> None:
    with pytest.raises(LocalProtocolError):
        encode(Offer(nonce="", sdp="x" * BODY_MAX_BYTES))


def test_secrets_are_not_in_the_repr() -> None:
    values = [
        Offer(nonce="", sdp="hidden", grant="hidden"),
        Answer(re="", sdp="hidden", ice_servers=(IceServer(urls=(), credential="hidden"),)),
        Candidates(n=1, ufrag="", candidates=("hidden",)),
    ]
    assert "hidden" not in repr(values)


def test_only_gone_is_gone() -> None:
    assert is_gone(b'{ "t": "gone", "v": 1 }')
    assert not is_gone(encode(Bye(n=0, reason="closed")))
    assert not is_gone(b"{")
    assert not is_gone(b'{"v":2,"t":"gone"}')
    assert not is_gone(b'{"v":1,"t":"gone","x":"' + b"x" * 300 + b'"}')


def test_hash_is_base64url_without_padding() -> None:
    assert body_hash(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize(
    ("rotation", "size"), [(0, (64, 48)), (90, (48, 64)), (180, (64, 48)), (270, (48, 64))]
)
def test_a_camera_says_how_large_its_picture_is_once_it_stands_upright(
    rotation: int, size: tuple[int, int]
) -> None:
    assert CaptureState(width=64, height=48, rotation=rotation).upright_size == size
    assert CaptureState(rotation=rotation).upright_size is None


def test_text_of_strangers_is_one_printable_line() -> None:
    assert clean_text("a\nb\x1b[31m\ud800") == "a b [31m "
    assert len(clean_text("x" * 1000)) == TEXT_MAX_CHARS


def test_text_of_our_own_is_cleaned_before_it_is_sent() -> None:
    status = Status(
        n=0,
        state="online",
        boot="b",
        nonce="",
        capture=CaptureState(state="failed", text="a\n" * 999),
    )
    read = decode(encode(status))
    assert isinstance(read, Status)
    assert read.capture.text == "a " * 256


def test_an_offline_status_says_since_when_or_nothing() -> None:
    said = Status(n=1, state="offline", boot="b", nonce="", since=1_795_212_120)
    assert decode(encode(said)) == said
    assert b"since" not in encode(replace(said, since=None))
    with pytest.raises(MalformedMessage):
        decode(encode(said).replace(b"1795212120", b"-1"))
