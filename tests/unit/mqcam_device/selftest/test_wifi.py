from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from mqcam_device.selftest.wifi import (
    Network,
    attribute,
    default_interface,
    read_network,
    request,
)

if TYPE_CHECKING:
    from pathlib import Path

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""


def test_the_best_default_route_counts() -> None:
    assert default_interface(ROUTES) == "eth0"


@pytest.mark.parametrize("text", ["", "Iface\n", "Iface\neth0 0002A8C0 0 0001 0 0 x 00FFFFFF\n"])
def test_without_a_default_route_there_is_no_interface(text: str) -> None:
    assert default_interface(text) is None


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/route").write_text(ROUTES.replace("eth0\t00000000", "eth0\t00000001"))
    return tmp_path


def test_a_cable_is_not_asked_whether_it_sleeps(machine: Path) -> None:
    def never(_interface: str) -> bool:
        raise AssertionError

    found = read_network(proc=machine, sys=machine, power_save=never)
    assert found == Network(interface="wlan0", is_wireless=False)


@pytest.mark.parametrize("state", [True, False, None])
def test_a_radio_is_asked(machine: Path, state: bool | None) -> None:
    (machine / "class/net/wlan0/phy80211").mkdir(parents=True)
    found = read_network(proc=machine, sys=machine, power_save=lambda _interface: state)
    assert found == Network(interface="wlan0", is_wireless=True, power_save=state)


def test_a_machine_without_network_has_none(tmp_path: Path) -> None:
    assert read_network(proc=tmp_path, sys=tmp_path) is None


def test_a_request_is_padded_to_four_bytes() -> None:
    asked = request(16, 3, {2: b"nl80211\0", 3: b"\1"})
    length, family, flags, *_ = struct.unpack_from("=IHHII", asked)
    assert (length, family, flags) == (len(asked), 16, 1)
    assert asked[16:20] == struct.pack("=BBH", 3, 1, 0)
    assert asked[20:] == (
        struct.pack("=HH", 12, 2) + b"nl80211\0" + struct.pack("=HH", 5, 3) + b"\1\0\0\0"
    )


def test_an_answer_is_read_back() -> None:
    answer = request(29, 62, {3: struct.pack("=I", 2), 93: struct.pack("=I", 1)})
    assert attribute(answer, 93) == struct.pack("=I", 1)
    assert attribute(answer, 4) is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\0" * 10,
        struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -95),
        struct.pack("=IHHII", 24, 29, 0, 1, 0) + b"\3\1\0\0" + b"\0\0\x5d\0",
    ],
    ids=["empty", "short", "an error", "an attribute without length"],
)
def test_an_answer_that_says_nothing_is_none(answer: bytes) -> None:
    assert attribute(answer, 93) is None
