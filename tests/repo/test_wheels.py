"""Every locked library has a wheel for a Raspberry Pi: nothing is compiled there."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from support.tree import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SYSTEMS = {
    # Raspberry Pi OS's Python, and its glibc, with which a wheel must get along.
    "Bookworm": ("3.11", 36),
    "Trixie": ("3.13", 41),
}
OLDEST_GLIBC = 17
NO_NETWORK = re.compile(
    r"name resolution|Network is unreachable|Connection (?:refused|reset|aborted|to \S+ timed out)"
    r"|timed out|ProxyError|NewConnectionError"
)


def locked_for(python: str) -> str:
    """Return the lock as one Python on a Pi reads it; pip judges markers by the one it runs on."""
    environment = {
        "implementation_name": "cpython",
        "platform_machine": "aarch64",
        "python_full_version": f"{python}.2",
        "python_version": python,
        "sys_platform": "linux",
    }
    text = re.sub(r"^\s*#.*$", "", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)
    chosen = []
    for entry in text.replace("\\\n", " ").splitlines():
        if not entry.strip():
            continue
        pin = Requirement(entry.split(" --hash", 1)[0])
        if pin.marker is None or pin.marker.evaluate(environment):
            hashes = " ".join(re.findall(r"--hash=\S+", entry))
            chosen.append(f"{pin.name}{pin.specifier} {hashes}\n")
    return "".join(chosen)


@pytest.mark.parametrize("python", [python for python, _ in SYSTEMS.values()])
def test_each_python_has_one_version_of_each_library(python: str) -> None:
    names = [line.partition("==")[0] for line in locked_for(python).splitlines()]
    assert len(names) == len(set(names))
    assert {"av", "aiortc", "cryptography", "pylibsrtp"} <= set(names)
    assert "numpy" not in names


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("system", SYSTEMS)
def test_every_locked_library_has_a_wheel_for_a_64_bit_pi(system: str, tmp_path: Path) -> None:
    python, glibc = SYSTEMS[system]
    (tmp_path / "lock").write_text(locked_for(python))
    tags = [f"manylinux_2_{minor}_aarch64" for minor in range(glibc, OLDEST_GLIBC - 1, -1)]
    platforms = [word for tag in (*tags, "manylinux2014_aarch64") for word in ("--platform", tag)]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"),
            *("download", "--quiet", "--no-cache-dir", "--no-deps", "--only-binary", ":all:"),
            *("--require-hashes", "--python-version", python, "--implementation", "cp"),
            *("--retries", "1", "-r", str(tmp_path / "lock"), "-d", str(tmp_path / "wheels")),
            *platforms,
        ],
        capture_output=True,
        text=True,
        timeout=550,
        check=False,
    )
    if done.returncode != 0 and NO_NETWORK.search(done.stderr):
        pytest.skip(f"NOT TESTED without a network: wheels for {system} on a Pi")
    assert done.returncode == 0, done.stderr
    wheels = [path.name for path in (tmp_path / "wheels").iterdir()]
    assert len(wheels) == len(locked_for(python).splitlines())
    assert [name for name in wheels if not re.search(r"(any|aarch64)\.whl$", name)] == []
