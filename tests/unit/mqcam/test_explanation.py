from __future__ import annotations

from dataclasses import replace

import pytest
from mqcam.explanation import Facts, explain
from mqcam.gathering import Inquiry, Outcome

DIRECT = Facts(
    local=["host", "srflx"], remote=3, remote_has_relay=False, is_relay_only=False, inquiries=()
)


def relay(outcome: Outcome, name: str = "turn:a:3478") -> Inquiry:
    return Inquiry(server=name, is_relay=True, outcome=outcome)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (DIRECT, "no relay is configured: see docs/away.md"),
        (replace(DIRECT, remote=0), "the other side sent no address"),
        (
            replace(DIRECT, inquiries=[relay(Outcome.REFUSED)]),
            "no relay: turn:a:3478 refused the user name or password",
        ),
        (
            replace(DIRECT, inquiries=[relay(Outcome.UNTRUSTED)]),
            "has a certificate that is not trusted",
        ),
        (
            replace(DIRECT, inquiries=[relay(Outcome.REFUSED), relay(Outcome.REFUSED, "turn:b:1")]),
            "every TURN server refused the user name or password",
        ),
        (
            replace(DIRECT, inquiries=[relay(Outcome.ASKED), relay(Outcome.FULL, "turn:b:1")]),
            "turn:a:3478 has not answered; turn:b:1 has no address left",
        ),
        (replace(DIRECT, local=["host", "relay"]), "the relay did not help"),
        (replace(DIRECT, remote_has_relay=True), "the relay did not help"),
        (replace(DIRECT, is_relay_only=True, local=()), "none is configured: name a TURN server"),
        (
            replace(DIRECT, is_relay_only=True, local=(), inquiries=[relay(Outcome.UNREACHABLE)]),
            "none was given: turn:a:3478 cannot be reached",
        ),
    ],
)
def test_each_failure_has_its_sentence(facts: Facts, said: str) -> None:
    assert said in explain(facts)


def test_a_stun_server_is_no_relay() -> None:
    stun = Inquiry(server="stun:a:3478", is_relay=False, outcome=Outcome.ASKED)
    assert "no relay is configured" in explain(replace(DIRECT, inquiries=[stun]))
