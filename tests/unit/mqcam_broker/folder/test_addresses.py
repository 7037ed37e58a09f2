from __future__ import annotations

import socket
from types import SimpleNamespace

import ifaddr
import pytest
from mqcam.errors import UsageError
from mqcam_broker.folder.addresses import broker_address, hosts_of, own_hosts


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("nas.local", "mqtts://nas.local:9001"),
        ("nas.local:8884", "mqtts://nas.local:8884"),
        ("192.0.2.1", "mqtts://192.0.2.1:9001"),
        ("2001:db8::1", "mqtts://[2001:db8::1]:9001"),
        ("[2001:db8::1]:8884", "mqtts://[2001:db8::1]:8884"),
        ("mqtts://cam.example.org", "mqtts://cam.example.org:9001"),
        ("mqtts://cam.example.org:443", "mqtts://cam.example.org:443"),
        ("wss://cam.example.org", "wss://cam.example.org:9002/mqtt"),
        ("wss://cam.example.org:443/ws", "wss://cam.example.org:443/ws"),
    ],
)
def test_what_people_type_becomes_an_address(text: str, url: str) -> None:
    assert str(broker_address(text, port=9001, ws_port=9002)) == url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("mqtt://nas.local", "only TLS"),
        ("wss://nas.local", "websockets listener is off"),
        ("http://nas.local", "must begin with"),
        ("", "names no host"),
        ("nas local", "names no host"),
        ("nas.local:99999", "cannot be read"),
        ("mqtts://me:secret@nas.local", "user and password"),
    ],
)
def test_what_no_client_could_use_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refusal:
        broker_address(text, port=9001)
    assert "secret" not in str(refusal.value)


def test_hosts_are_named_once() -> None:
    urls = ["mqtts://nas.local:1", "wss://nas.local:2/mqtt", "mqtts://[2001:db8::1]:8883"]
    assert hosts_of(urls) == ("nas.local", "2001:db8::1")


def adapter(name: str, *addresses: str | tuple[str, int, int]) -> SimpleNamespace:
    return SimpleNamespace(name=name, ips=[SimpleNamespace(ip=address) for address in addresses])


def test_only_addresses_that_others_can_reach_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    adapters = [
        adapter("lo", "127.0.0.1"),
        adapter("eth0", "192.0.2.7", "169.254.3.4", ("2001:db8::1", 0, 0)),
        adapter("docker0", "172.17.0.1"),
    ]
    monkeypatch.setattr(ifaddr, "get_adapters", lambda: adapters)
    monkeypatch.setattr(socket, "gethostname", lambda: "nas.example.org")
    assert own_hosts() == ("192.0.2.7", "nas.local")


@pytest.mark.parametrize("name", ["localhost", "my_pc", ""])
def test_a_machine_without_network_offers_its_loopback(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(ifaddr, "get_adapters", list)
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    assert own_hosts() == ("127.0.0.1",)
