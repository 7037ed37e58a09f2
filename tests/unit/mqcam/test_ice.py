from __future__ import annotations

import ipaddress

import ifaddr
import pytest
from mqcam.candidates import Refusal
from mqcam.ice import REMOTE_CANDIDATE_LIMIT, IcePath, IceSettings, local_addresses


def adapter(name: str, *addresses: str) -> ifaddr.Adapter:
    """Make an adapter as ifaddr lists it; IPv6 addresses may have a scope."""
    ips = []
    for address in addresses:
        bare, _, scope = address.partition("%")
        if ipaddress.ip_address(bare).version == 4:
            ips.append(ifaddr.IP(bare, 24, name))
        else:
            ips.append(ifaddr.IP((bare, 0, int(scope or 0)), 64, name))
    return ifaddr.Adapter(name, name, ips, 1)


ADAPTERS = [
    adapter("lo", "127.0.0.1", "::1"),
    adapter("eth0", "192.0.2.7", "2001:db8::7", "fe80::7%2"),
    adapter("docker0", "172.17.0.1"),
    adapter("veth12ab", "172.18.0.1"),
    adapter("br-0123", "172.19.0.1"),
    adapter("wlan0", "198.51.100.7", "192.0.2.7"),
]


def test_virtual_interfaces_and_loopback_are_left_out() -> None:
    assert local_addresses(IceSettings(), ADAPTERS) == ["192.0.2.7", "2001:db8::7", "198.51.100.7"]


def test_loopback_comes_without_any_network() -> None:
    settings = IceSettings(loopback=True, exclude_interfaces=("*",))
    assert local_addresses(settings, ADAPTERS) == ["127.0.0.1"]
    assert local_addresses(settings, []) == ["127.0.0.1"]


def test_loopback_addresses_need_the_setting_even_on_an_interface_that_is_allowed() -> None:
    assert "127.0.0.1" not in local_addresses(IceSettings(exclude_interfaces=()), ADAPTERS)


def test_the_number_of_addresses_is_bounded() -> None:
    many = [adapter(f"eth{n}", f"10.0.{n}.1") for n in range(100)]
    assert len(local_addresses(IceSettings(), many)) == 16


@pytest.mark.parametrize("pattern", ["eth0", "eth*", "*0"])
def test_patterns_exclude_interfaces(pattern: str) -> None:
    chosen = local_addresses(IceSettings(exclude_interfaces=(pattern,)), ADAPTERS)
    assert "2001:db8::7" not in chosen


async def test_the_number_of_remote_candidates_is_bounded() -> None:
    path = IcePath(IceSettings(), controlling=True)
    path.add_remote_candidates(
        [f"candidate:1 1 udp 1 192.0.2.{n} 9 typ host" for n in range(REMOTE_CANDIDATE_LIMIT + 36)]
    )
    await path.close()
    assert path.refused == {Refusal.TOO_MANY: 36}
