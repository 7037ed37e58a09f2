"""The units say what a camera that nobody visits needs, and systemd understands them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from mqcam_device.card import BOOT_FOLDERS, SUFFIXES

FOLDER = Path(__file__).parents[2] / "systemd"
UNITS = ("mqcam-device.service", "mqcam-device@.service")
IMPORT = "mqcam-import.service"
PROGRAM = "/opt/mqcam/bin/mqcam-device"


def settings_of(unit: str) -> dict[str, list[str]]:
    """Return every key of a unit with its values, in their order."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / unit).read_text().splitlines():
        if line and line[0] not in "#[":
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS)
def test_agent_is_watched_and_always_comes_back(unit: str) -> None:
    found = settings_of(unit)
    assert found["Type"] == ["notify"]
    assert found["Restart"] == ["always"]
    assert found["StartLimitIntervalSec"] == ["0"]
    assert 5 <= int(found["WatchdogSec"][0]) <= 60
    assert 1 <= int(found["RestartSec"][0]) <= 10


@pytest.mark.parametrize("unit", UNITS)
def test_agent_is_unprivileged(unit: str) -> None:
    found = settings_of(unit)
    assert found["User"] == found["Group"] == ["mqcam"]
    assert found["SupplementaryGroups"] == ["video"]
    assert found["CapabilityBoundingSet"] == [""]
    for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "RestrictNamespaces"):
        assert found[key] == ["yes"]
    assert found["ProtectSystem"] == ["strict"]
    assert found["DevicePolicy"] == ["closed"]
    assert set(found["RestrictAddressFamilies"][0].split()) == {
        "AF_UNIX",
        "AF_INET",
        "AF_INET6",
        "AF_NETLINK",
    }


@pytest.mark.parametrize("unit", sorted(path.name for path in FOLDER.glob("*.service")))
def test_no_service_leaves_its_keys_in_a_core_file(unit: str) -> None:
    assert settings_of(unit)["LimitCORE"] == ["0"]


@pytest.mark.parametrize("unit", UNITS)
def test_control_socket_survives_the_other_agents(unit: str) -> None:
    found = settings_of(unit)
    assert found["RuntimeDirectory"] == ["mqcam"]
    assert found["RuntimeDirectoryPreserve"] == ["yes"]


@pytest.mark.parametrize(
    ("unit", "config", "credentials"),
    [
        (UNITS[0], "/etc/mqcam/device.yaml", "credentials.yaml:/etc/mqcam/credentials.yaml"),
        (
            UNITS[1],
            "/etc/mqcam/%i.yaml",
            "%i.credentials.yaml:/etc/mqcam/%i.credentials.yaml",
        ),
    ],
)
def test_unit_runs_the_agent_with_its_files(unit: str, config: str, credentials: str) -> None:
    found = settings_of(unit)
    assert found["ExecStart"] == [f"{PROGRAM} run --config {config}"]
    assert found["LoadCredential"] == [credentials]
    # Without them it waits, instead of failing and being started again for ever.
    assert found["ConditionPathExists"] == [credentials.partition(":")[2]]


def test_both_units_differ_only_in_names() -> None:
    plain, template = (settings_of(unit) for unit in UNITS)
    for key in ("Description", "ConditionPathExists", "ExecStart", "LoadCredential"):
        del plain[key], template[key]
    assert plain == template


@pytest.mark.parametrize("unit", [*UNITS, IMPORT])
def test_every_setting_of_the_hardening_has_a_reason(unit: str) -> None:
    """A block of settings without a comment in front is one that nobody dares to change."""
    lines = (FOLDER / unit).read_text().splitlines()
    unexplained = 0
    for line in lines[lines.index("[Service]") + 1 : lines.index("[Install]")]:
        unexplained = 0 if line.startswith("#") or not line else unexplained + 1
        assert unexplained <= 4, line


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze here: units not verified"
)
def test_import_comes_before_the_agent_and_only_where_there_is_a_file() -> None:
    found = settings_of(IMPORT)
    assert found["Type"] == ["oneshot"]
    assert found["Before"] == [UNITS[0]]
    assert found["ExecStart"] == [f"{PROGRAM} import --config /etc/mqcam/device.yaml"]
    # "|": one of them is enough; without it all would have to be there.
    assert set(found["ConditionPathExistsGlob"]) == {
        f"|{folder}/*{suffix}" for folder in BOOT_FOLDERS for suffix in SUFFIXES
    }


def test_import_writes_in_two_places_and_speaks_to_nobody() -> None:
    found = settings_of(IMPORT)
    assert found["ProtectSystem"] == ["strict"]
    assert found["ConfigurationDirectory"] == ["mqcam"]
    assert found["ReadWritePaths"] == ["-/boot", "-/boot/firmware"]
    assert found["PrivateNetwork"] == found["NoNewPrivileges"] == ["yes"]
    agent = settings_of(UNITS[0])
    assert found["DeviceAllow"] == agent["DeviceAllow"]  # it looks for what the agent will open


@pytest.mark.parametrize("unit", [*UNITS, IMPORT])
def test_systemd_understands_every_line(unit: str, tmp_path: Path) -> None:
    name = unit.replace("@.", "@front.")
    text = (FOLDER / unit).read_text().replace(PROGRAM, str(shutil.which("true")))
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "Failed to" in done.stderr and name not in done.stderr:
        pytest.skip(f"systemd-analyze cannot work here: {done.stderr.strip()}")
    assert name not in done.stderr
    assert done.returncode == 0, done.stderr
