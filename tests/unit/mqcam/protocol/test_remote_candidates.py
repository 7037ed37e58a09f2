from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.protocol.candidates import address_refusal, refusal


def of(address: str, *, component: str = "1", port: str = "5000", kind: str = "host") -> str:
    return f"candidate:1 {component} udp 2130706431 {address} {port} typ {kind}"


@pytest.mark.parametrize(
    "candidate",
    [
        of("192.0.2.1"),
        of("2001:db8::1"),
        of("fe80::1"),
        of("4f3a1c2e-0001-4aaa-8bbb-0123456789ab.local"),
        of("192.0.2.1", kind="srflx raddr 0.0.0.0 rport 0 generation 0"),
        of("192.0.2.1", port="9", kind="host tcptype active"),
    ],
)
def test_ordinary_candidates_pass(candidate: str) -> None:
    assert refusal(candidate, allow_loopback=False) == ""


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ("", "RFC 8839"),
        ("a=" + of("192.0.2.1"), "RFC 8839"),
        (of("192.0.2.1", kind="odd"), "RFC 8839"),
        (of("192.0.2.1") + "\n", "RFC 8839"),
        (of("192.0.2.1", component="2"), "component"),
        (of("192.0.2.1", port="0"), "port"),
        (of("192.0.2.1", port="65536"), "port"),
        (of("camera.example.org"), "neither"),
        (of("local"), "neither"),
        (of("127.9.9.9"), "loopback"),
        (of("::1"), "loopback"),
        (of("::ffff:127.0.0.1"), "loopback"),
        (of("224.0.0.251"), "no single machine"),
        (of("ff02::fb"), "no single machine"),
        (of("0.0.0.0"), "no single machine"),  # noqa: S104  # nothing is bound
        (of("::"), "no single machine"),
        (of("255.255.255.255"), "no single machine"),
        (of("192.0.2.1") + " " + "x" * 512, "longer"),
    ],
)
def test_dangerous_and_damaged_candidates_are_refused(candidate: str, reason: str) -> None:
    assert reason in refusal(candidate, allow_loopback=False)


def test_loopback_passes_only_where_it_is_allowed() -> None:
    assert address_refusal("127.0.0.1", allow_loopback=True) == ""
    assert address_refusal("224.0.0.1", allow_loopback=True) != ""


@given(st.text(max_size=80), st.booleans())
def test_no_text_raises(text: str, allow_loopback: bool) -> None:
    refusal(text, allow_loopback=allow_loopback)
    address_refusal(text, allow_loopback=allow_loopback)
