"""Networks as people have them: only a relay leads from one to the other, a firewall in between.

Needs root: the hosts are network namespaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import coturn
from support.namespaces import Apart, is_available
from support.networks import Programs, lent

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_FRAME_MS = 400.0  # the bench holds the real limit; here other tests run beside

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_available(), reason="needs root and iproute2 for namespaces"),
    pytest.mark.skipif(not coturn.is_available(), reason="needs coturn"),
]


@pytest.fixture
def programs() -> Iterator[Programs[Apart]]:
    """Broker and TURN server on a host in the middle; camera and viewer reach only that."""
    with Apart() as network, Programs(network) as made:
        made.start_broker(network.middle, network.middle_address)
        made.start_coturn(network.middle, network.middle_address)
        yield made


@pytest.mark.parametrize(
    "url",
    ["turn:{address}", "turn:{address}?transport=tcp", "turns:{address}"],
    ids=["udp", "tcp", "tls"],
)
def test_a_relay_that_the_camera_lends_carries_the_video(
    programs: Programs[Apart], url: str
) -> None:
    network = programs.network
    programs.start_camera(network.camera, lent(network.middle_address, url))
    code, report, errors = programs.probe(network.viewer, 1)
    assert code == 0, errors
    assert "relay" in report["candidate_pair"]
    assert report["frames"] >= 20
    assert report["first_frame_ms"] < FIRST_FRAME_MS


def test_without_a_relay_the_viewer_is_told_what_is_missing(programs: Programs[Apart]) -> None:
    network = programs.network
    programs.start_camera(network.camera)
    code, _, errors = programs.probe(network.viewer, 1)
    assert code == 1
    assert "no direct path between these networks and no relay is configured" in errors
    assert "docs/away.md" in errors


def test_a_locked_relay_is_named(programs: Programs[Apart]) -> None:
    network = programs.network
    (programs.folder / "turn-password").write_text("wrong\n")
    programs.start_camera(network.camera, lent(network.middle_address, "turn:{address}"))
    code, _, errors = programs.probe(network.viewer, 1)
    assert code == 1
    assert "refused the user name or password" in errors
