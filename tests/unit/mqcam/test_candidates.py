from __future__ import annotations

import pytest
from aiortc import RTCIceCandidate
from hypothesis import given
from hypothesis import strategies as st
from mqcam.candidates import Refusal, format_candidate, parse_candidate

GOOD = "candidate:842163049 1 udp 1677729535 192.0.2.7 46154 typ srflx raddr 10.0.0.1 rport 9"


@pytest.mark.parametrize("prefix", ["", "candidate:", "a=candidate:", "  a=candidate:"])
def test_all_spellings_of_a_candidate_are_read(prefix: str) -> None:
    candidate = parse_candidate(prefix + GOOD.removeprefix("candidate:"))
    assert isinstance(candidate, RTCIceCandidate)
    assert (candidate.ip, candidate.port, candidate.type) == ("192.0.2.7", 46154, "srflx")
    assert candidate.foundation == "842163049"


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", Refusal.MALFORMED),
        ("candidate:1 1 udp 1 192.0.2.7 9 typ", Refusal.MALFORMED),
        ("candidate:1 1 udp -1 192.0.2.7 9 typ host", Refusal.MALFORMED),
        ("candidate:1 1 udp 4294967296 192.0.2.7 9 typ host", Refusal.MALFORMED),
        ("candidate:1 1 udp 1 192.0.2.7 9 type host", Refusal.MALFORMED),
        ("candidate:" + "1" * 600 + " 1 udp 1 192.0.2.7 9 typ host", Refusal.MALFORMED),
        ("candidate:1 1 udp 1 192.0.2.7 ٣ typ host", Refusal.MALFORMED),
        ("candidate:1 2 udp 1 192.0.2.7 9 typ host", Refusal.COMPONENT),
        ("candidate:1 1 tcp 1 192.0.2.7 9 typ host tcptype active", Refusal.TRANSPORT),
        ("candidate:1 1 udp 1 192.0.2.7 9 typ prflx", Refusal.TYPE),
        ("candidate:1 1 udp 1 192.0.2.7 0 typ host", Refusal.PORT),
        ("candidate:1 1 udp 1 192.0.2.7 65536 typ host", Refusal.PORT),
        ("candidate:1 1 udp 1 camera.example.org 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 224.0.0.251 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 255.255.255.255 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 0.0.0.0 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 :: 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 ff02::1 9 typ host", Refusal.ADDRESS),
        ("candidate:1 1 udp 1 127.8.0.1 9 typ host", Refusal.LOOPBACK),
        ("candidate:1 1 udp 1 ::1 9 typ host", Refusal.LOOPBACK),
        ("candidate:1 1 udp 1 ::ffff:127.0.0.1 9 typ host", Refusal.LOOPBACK),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(text: str, refusal: Refusal) -> None:
    assert parse_candidate(text) is refusal


def test_loopback_is_taken_only_where_it_is_allowed() -> None:
    text = "candidate:1 1 udp 1 127.0.0.1 9 typ host"
    assert parse_candidate(text) is Refusal.LOOPBACK
    assert isinstance(parse_candidate(text, allow_loopback=True), RTCIceCandidate)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("fe80::1%eth0", "fe80::1"),
        ("2001:0DB8::0001", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("4e7a-1b.local", "4e7a-1b.local"),
    ],
)
def test_addresses_are_brought_into_one_form(address: str, expected: str) -> None:
    candidate = parse_candidate(f"candidate:1 1 UDP 1 {address} 9 typ host")
    assert isinstance(candidate, RTCIceCandidate)
    assert candidate.ip == expected


def test_a_written_candidate_is_read_again() -> None:
    candidate = parse_candidate(GOOD)
    assert isinstance(candidate, RTCIceCandidate)
    candidate.relatedAddress, candidate.relatedPort = "10.0.0.1", 9
    assert format_candidate(candidate) == GOOD


@given(
    st.one_of(
        st.text(st.characters()),
        st.lists(st.sampled_from([*GOOD.split(), "9", ":", "%"])).map(" ".join),
    )
)
def test_no_text_raises(text: str) -> None:
    assert isinstance(parse_candidate(text), RTCIceCandidate | Refusal)
