from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.servers import IceServer, ServerUrl, targets


@pytest.mark.parametrize(
    ("text", "shown", "transport"),
    [
        ("stun:relay.example.org", "stun:relay.example.org:3478", "udp"),
        ("stun:192.0.2.1:19302", "stun:192.0.2.1:19302", "udp"),
        ("turn:relay.example.org", "turn:relay.example.org:3478", "udp"),
        ("turn:a:1?transport=tcp", "turn:a:1?transport=tcp", "tcp"),
        ("turn:a:1?transport=udp", "turn:a:1", "udp"),
        ("turns:a", "turns:a:5349", "tcp"),
        ("turns:a:443?transport=tcp", "turns:a:443", "tcp"),
        ("turn:[2001:DB8::1]:5000", "turn:[2001:db8::1]:5000", "udp"),
    ],
)
def test_an_address_is_read_and_written(text: str, shown: str, transport: str) -> None:
    url = ServerUrl.from_text(text)
    assert str(url) == shown
    assert url.transport == transport
    assert ServerUrl.from_text(str(url)) == url


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("relay.example.org", "expected a server such as"),
        ("http:relay.example.org", "expected a server such as"),
        ("stun:", "expected a server such as"),
        ("stun://relay.example.org", "expected a server such as"),
        ("turn:a:0", "a port from 1"),
        ("turn:a:65536", "a port from 1"),
        ("turn:[::g]:1", "expected a server such as"),
        ("turn:[1:2]:1", "IPv6 address between"),
        ("stuns:a", "write stun:"),
        ("stun:a?transport=udp", "takes no transport"),
        ("turn:a?transport=sctp", "transport=udp or"),
        ("turns:a?transport=udp", "write turn: for UDP"),
    ],
)
def test_a_wrong_address_is_told_with_the_way_out(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ServerUrl.from_text(text)


@given(st.text())
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert ServerUrl.from_text(text).host


def test_what_a_peer_lends_is_taken_as_far_as_it_can_be_read() -> None:
    server = IceServer(urls=("turn:a", "nonsense", "turn:a:3478", "stun:a"), username="u")
    found = targets([server, server])
    assert [str(each.url) for each in found] == ["turn:a:3478", "stun:a:3478"]
    assert [each.username for each in found] == ["u", ""]


def test_a_password_does_not_show() -> None:
    server = IceServer(urls=("turn:a",), username="u", credential="secret")
    assert "secret" not in repr(server)
    assert "secret" not in repr(targets([server]))
