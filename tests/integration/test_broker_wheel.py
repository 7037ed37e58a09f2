"""The tool as people install it: from a wheel, without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD_TIMEOUT_S = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the contents of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=BUILD_TIMEOUT_S,
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.parametrize("name", ["mosquitto.conf", "fleet.acl"])
def test_the_shipped_files_are_inside(installed: Path, name: str) -> None:
    packed = (installed / "mqcam_broker" / name).read_bytes()
    assert packed == (ROOT / "broker-config" / name).read_bytes()


def test_init_works_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = (
        "import mqcam_broker.cli, sys; "
        "print(mqcam_broker.cli.__file__); sys.exit(mqcam_broker.cli.main(sys.argv[1:]))"
    )
    user = ["--user", "root"] if os.geteuid() == 0 else []
    result = subprocess.run(
        [sys.executable, "-c", code, "init", "--fleet", "--dir", str(tmp_path / "broker"), *user],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        check=True,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )
    assert result.stdout.startswith(str(installed))
    packed = (installed / "mqcam_broker" / "fleet.acl").read_bytes()
    assert (tmp_path / "broker" / "fleet.acl").read_bytes() == packed
