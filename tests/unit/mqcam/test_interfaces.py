from __future__ import annotations

import pytest
from mqcam.interfaces import is_excluded


@pytest.mark.parametrize("name", ["docker0", "veth12ab", "br-0123", "virbr0", "podman1", "cni0"])
def test_what_containers_bring_along_is_excluded(name: str) -> None:
    assert is_excluded(name)


@pytest.mark.parametrize("name", ["eth0", "enp3s0", "wlan0", "wg0", "tailscale0", "br0"])
def test_what_leads_to_others_is_not(name: str) -> None:
    assert not is_excluded(name)


def test_the_owner_names_other_patterns() -> None:
    assert is_excluded("wlan0", ["wlan*"])
    assert not is_excluded("docker0", [])
