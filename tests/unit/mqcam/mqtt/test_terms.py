from __future__ import annotations

from mqcam.errors import BrokerRefused, BrokerTooOld, BrokerUnreachable
from mqcam.mqtt.terms import LinkOptions, refusal


def test_each_refusal_says_what_to_check() -> None:
    assert isinstance(refusal(0x84, "x", "a"), BrokerTooOld)
    for code, advice in (
        (0x85, "check user, password"),
        (0x86, "mqcam-broker list"),
        (0x87, "mqcam-broker list"),
        (0x8A, "check user, password"),
    ):
        error = refusal(code, "Not authorized", "mqtt://nas:1883")
        assert isinstance(error, BrokerRefused)
        assert advice in str(error)
    busy = refusal(0x89, "Server busy", "a")
    assert isinstance(busy, BrokerUnreachable)
    assert busy.retryable


def test_options_show_no_password() -> None:
    options = LinkOptions(
        client_id="a",
        clean_start=True,
        session_expiry_s=0,
        keepalive_s=15,
        largest_incoming_bytes=1,
        password="hunter2",
    )
    assert "hunter2" not in repr(options)
