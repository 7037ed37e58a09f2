"""Addresses and settings of a broker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.broker import BrokerAddress, BrokerSettings, Scheme
from mqcam.errors import BrokerAddressError


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("mqtt://nas.local", "nas.local", 1883, "/mqtt"),
        ("mqtts://192.0.2.1", "192.0.2.1", 8883, "/mqtt"),
        ("mqtt://[2001:db8::1]:2000", "2001:db8::1", 2000, "/mqtt"),
        ("mqtt://[fe80::1%eth0]", "fe80::1%eth0", 1883, "/mqtt"),
        ("ws://nas/", "nas", 80, "/"),
        ("wss://nas/deep/path", "nas", 443, "/deep/path"),
        ("WSS://NAS:9443", "nas", 9443, "/mqtt"),
    ],
)
def test_an_address_is_read(url: str, host: str, port: int, path: str) -> None:
    address = BrokerAddress.parse(url)
    assert (address.host, address.port, address.path) == (host, port, path)
    assert BrokerAddress.parse(str(address)) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nas.local", "begin with"),
        ("http://nas", "begin with"),
        ("mqtt://", "no host"),
        ("mqtt://na s", "no host"),
        ("mqtt://nas:0", "between 1 and"),
        ("mqtt://nas:99999", "cannot be read"),
        ("mqtt://nas:port", "cannot be read"),
        ("mqtt://[::1", "cannot be read"),
        ("mqtt://nas/path", "only ws and wss"),
        ("wss://nas/path?query", "ends after the path"),
        ("mqtt://alice:hunter2@nas", "belong into the credentials"),
    ],
)
def test_an_address_that_cannot_be_read_says_why(url: str, reason: str) -> None:
    with pytest.raises(BrokerAddressError, match=reason) as caught:
        BrokerAddress.parse(url)
    assert "hunter2" not in str(caught.value) + repr(caught.value)


@given(st.text(max_size=60).map(lambda text: "mqtt://" + text) | st.text(max_size=60))
def test_any_text_is_an_address_or_an_address_error(text: str) -> None:
    try:
        address = BrokerAddress.parse(text)
    except BrokerAddressError:
        return
    assert BrokerAddress.parse(str(address)) == address


def test_a_password_before_an_at_sign_is_never_repeated() -> None:
    for url in ("alice:hunter2@nas", "mqtt://alice:hunter2@nas:x", "ftp://alice:hunter2@nas"):
        with pytest.raises(BrokerAddressError) as caught:
            BrokerAddress.parse(url)
        assert "hunter2" not in str(caught.value) + repr(caught.value)


def test_settings_show_no_password() -> None:
    address = BrokerAddress(scheme=Scheme.MQTT, host="nas", port=1)
    shown = repr(BrokerSettings(addresses=(address,), username="alice", password="hunter2"))
    assert "alice" in shown
    assert "hunter2" not in shown
