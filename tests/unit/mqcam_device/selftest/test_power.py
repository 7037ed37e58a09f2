from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam_device.selftest.power import (
    FREQUENCY_CAPPED,
    THROTTLED,
    UNDER_VOLTAGE,
    Throttling,
    read_temperature_c,
    read_throttling,
)

if TYPE_CHECKING:
    from pathlib import Path


def nobody() -> str:
    return ""


@pytest.mark.parametrize(
    "place",
    [
        "devices/platform/soc/soc:firmware",
        "devices/platform/soc@107c000000/soc@107c000000:firmware",
    ],
)
def test_the_kernel_is_asked_first(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    (folder / "get_throttled").write_text("50005\n")
    found = read_throttling(sys=tmp_path, ask=nobody)
    assert found == Throttling(bits=0x50005)


def test_the_firmware_is_asked_where_the_kernel_does_not_say(tmp_path: Path) -> None:
    found = read_throttling(sys=tmp_path, ask=lambda: "throttled=0x50000\n")
    assert found == Throttling(bits=0x50000)


@pytest.mark.parametrize("said", ["", "VCHI initialization failed", "throttled=rubbish"])
def test_a_board_that_says_nothing_is_not_called_good(tmp_path: Path, said: str) -> None:
    assert read_throttling(sys=tmp_path, ask=lambda: said) is None


def test_what_was_and_what_is_are_told_apart() -> None:
    throttling = Throttling(bits=1 << 16 | 1 << 2)
    assert throttling.has_been(UNDER_VOLTAGE)
    assert not throttling.is_now(UNDER_VOLTAGE)
    assert throttling.is_now(THROTTLED)
    assert throttling.has_been(THROTTLED)
    assert not throttling.has_been(FREQUENCY_CAPPED)


def test_temperature_is_in_degrees(tmp_path: Path) -> None:
    zone = tmp_path / "class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("52124\n")
    assert read_temperature_c(sys=tmp_path) == pytest.approx(52.124)


def test_a_machine_without_a_sensor_has_no_temperature(tmp_path: Path) -> None:
    assert read_temperature_c(sys=tmp_path) is None
