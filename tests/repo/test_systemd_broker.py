"""The broker's units run what init makes, renew it in time, and have no more rights than that."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICES = ("mqcam-broker.service", "mqcam-broker-renew.service")
UNITS = (*SERVICES, "mqcam-broker-renew.timer")
PROGRAM = "/opt/mqcam/bin/mqcam-broker"
DIRECTORY = "/etc/mqcam-broker"


def settings_of(unit: str) -> dict[str, list[str]]:
    """Return every key of a unit with its values, in their order."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / unit).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def test_broker_always_comes_back_and_is_open_to_a_fleet() -> None:
    found = settings_of("mqcam-broker.service")
    assert found["ExecStart"] == [f"{PROGRAM} run"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert int(found["LimitNOFILE"][0]) > 10_000


def test_renewal_is_daily_and_made_up_for() -> None:
    found = settings_of("mqcam-broker-renew.timer")
    assert found["OnCalendar"] == ["daily"]
    assert found["Persistent"] == ["true"]
    [command] = settings_of("mqcam-broker-renew.service")["ExecStart"]
    assert command.startswith(f"{PROGRAM} renew --restart ")
    assert "mqcam-broker.service" in command


@pytest.mark.parametrize("unit", SERVICES)
def test_services_write_in_the_broker_directory_only(unit: str) -> None:
    found = settings_of(unit)
    assert found["ProtectSystem"] == ["strict"]
    assert found["ReadWritePaths"] == [DIRECTORY]
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert found[key] == ["yes"]


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here: units not verified"
)
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    for unit in UNITS:
        text = (FOLDER / unit).read_text().replace(PROGRAM, str(shutil.which("true")))
        (tmp_path / unit).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / unit) for unit in UNITS)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "Failed to" in done.stderr and "mqcam-broker" not in done.stderr:
        pytest.skip(f"systemd-analyze cannot work here: {done.stderr.strip()}")
    assert "mqcam-broker" not in done.stderr
    assert done.returncode == 0, done.stderr
