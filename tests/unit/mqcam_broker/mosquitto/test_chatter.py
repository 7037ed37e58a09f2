from __future__ import annotations

import re

import pytest
from mqcam_broker.mosquitto.chatter import shown


@pytest.mark.parametrize(
    "text",
    [
        "New connection from 127.0.0.1:33936 on port 18883.",
        "New client connected from 127.0.0.1:33944 as x-1 (p5, c1, k15, u'x').",
        "Client <unknown> closed its connection.",
        "Client x-1 disconnected.",
        "Warning: ACL pattern 'home/v1/d/+/status' does not contain '%c' or '%u'.",
    ],
)
def test_who_comes_and_goes_is_for_the_curious(text: str) -> None:
    assert shown(f"1795208635: {text}\n", is_verbose=False) is None
    told = shown(f"1795208635: {text}\n", is_verbose=True)
    assert told is not None
    assert re.fullmatch(r"\d\d:\d\d:\d\d " + re.escape(text), told)


@pytest.mark.parametrize(
    "text",
    [
        "Error: Address already in use",
        "Client <unknown> disconnected, not authorised.",
        "Warning: ACL pattern 'secret/+/x' does not contain '%c' or '%u'.",
        "OpenSSL Error[0]: certificate verify failed",
    ],
)
def test_what_may_need_a_hand_is_always_shown(text: str) -> None:
    assert (shown(f"1795208635: {text}\n", is_verbose=False) or "").endswith(text)


def test_a_line_without_a_time_is_left_alone() -> None:
    assert shown("Error found at /etc/x:12.\n", is_verbose=False) == "Error found at /etc/x:12."
    assert shown("\n", is_verbose=True) is None
