"""A check that the peer's firewall swallowed is sent again as soon as the peer's own comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.ice import IceSettings
from support.namespaces import Host, TwoHosts, drop_new, has_firewall, is_available
from support.star import SlowLine
from support.trickling import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        not (is_available() and has_firewall()), reason="needs root, iproute2 and nftables"
    ),
]


@pytest.mark.parametrize(
    ("network", "delay_s", "limit_s"),
    [(TwoHosts, 0.01, 0.2), (lambda: SlowLine(50), 0.05, 0.45)],
    ids=["near", "100 ms away"],
)
async def test_a_viewer_behind_a_firewall_is_reached_without_waiting_for_a_second_try(
    network: Callable[[], TwoHosts | SlowLine], delay_s: float, limit_s: float
) -> None:
    """Waiting would take half a second more: the first check's answer never comes."""
    with network() as hosts:
        drop_new(hosts.viewer)
        with Host(hosts.viewer) as viewer, Host(hosts.camera) as camera:
            async with Pair(viewer, camera).made(
                IceSettings(), IceSettings(), delay_s=delay_s
            ) as pair:
                await pair.connect()
                checks = pair.camera.connection._ice.gatherer.ice
                assert checks.repeated >= 1
                assert pair.camera.path_at - pair.offered_at < limit_s
