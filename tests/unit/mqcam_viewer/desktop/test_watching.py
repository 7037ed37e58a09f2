from __future__ import annotations

from collections import deque

import pytest
from mqcam.ice import CandidatePairInfo
from mqcam_viewer.desktop.watching import describe, fps, rate_bps


def pair(local: str, remote: str) -> CandidatePairInfo:
    return CandidatePairInfo(
        local_type=local,
        remote_type=remote,
        protocol="udp",
        local=("192.0.2.1", 1),
        remote=("192.0.2.2", 2),
    )


def test_a_rate_is_that_between_the_counts() -> None:
    assert rate_bps(deque([(10.0, 1000), (11.0, 5000), (12.0, 251_000)])) == 1_000_000


def test_one_count_is_no_rate() -> None:
    assert rate_bps(deque([(10.0, 1000)])) is None


def test_pictures_a_second_are_counted_between_them() -> None:
    assert fps([5 + at / 30 for at in range(61)]) == pytest.approx(30)
    assert fps([5.0]) == 0


def test_a_path_is_direct_unless_a_relay_carries_it() -> None:
    assert describe(pair("host", "srflx")) == "Direct, UDP"
    assert describe(pair("relay", "host")) == "Relayed, UDP"
    assert describe(pair("host", "relay")) == "Relayed, UDP"
    assert describe(None) == ""
