"""The lock files hold everything that pyproject.toml names, hashed, and no address."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import requires
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.tree import ROOT

LOCKS = {
    "requirements.lock": (["build"], []),
    "requirements-viewer.lock": (["build"], ["viewer"]),
    "requirements-dev.lock": (["build", "dev"], ["viewer"]),
    "requirements-picamera2.lock": (["picamera2"], []),
}
APART = {"requirements-picamera2.lock"}
"""What holds only what is named for it, and nothing of the program."""
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def named(lock: str) -> list[Requirement]:
    """Return what pyproject.toml asks for: the program's own, those of extras and of groups."""
    groups, extras = LOCKS[lock]
    lines = [] if lock in APART else list(pyproject()["project"]["dependencies"])
    for extra in extras:
        lines += pyproject()["project"]["optional-dependencies"][extra]
    for group in groups:
        lines += [x for x in pyproject()["dependency-groups"][group] if isinstance(x, str)]
    return [Requirement(line) for line in lines]


def pins(lock: str) -> list[tuple[Requirement, int]]:
    """Return each pin of a lock file and how many hashes it has."""
    text = re.sub(r"^\s*#.*$", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]
    return [
        (Requirement(entry.split(" --hash", 1)[0]), entry.count("--hash=sha256:"))
        for entry in entries
    ]


def pin_for(name: str, lock: str, environment: dict[str, str]) -> list[str]:
    """Return the versions to which a package is pinned in an environment."""
    return [
        next(iter(pin.specifier)).version
        for pin, _ in pins(lock)
        if canonicalize_name(pin.name) == canonicalize_name(name)
        and (pin.marker is None or pin.marker.evaluate(environment))
    ]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("machine", MACHINES)
def test_every_dependency_is_pinned_once_within_its_range(
    lock: str, python: str, machine: str
) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "platform_machine": machine,
        "sys_platform": "linux",
        "implementation_name": "cpython",
    }
    wrong = []
    for requirement in named(lock):
        if requirement.marker is not None and not requirement.marker.evaluate(environment):
            continue
        versions = pin_for(requirement.name, lock, environment)
        if len(versions) != 1 or not requirement.specifier.contains(versions[0]):
            wrong.append(f"{requirement}: pinned to {versions}: run make lock")
    assert wrong == []


def test_numpy_is_nowhere_below_the_program() -> None:
    """One in the agent's environment would break the picamera2 that apt installs (issue 6)."""
    found = installed_below("mqcam")
    assert {"av", "aiortc", "cryptography"} <= found  # the walk does walk
    assert "numpy" not in found
    locked = {canonicalize_name(pin.name) for pin, _ in pins("requirements.lock")}
    assert "numpy" not in locked
    assert found <= locked | {"mqcam"}


def installed_below(name: str) -> set[str]:
    """Return what a distribution needs here, and what that needs, without any extra."""
    found: set[str] = set()
    waiting = [canonicalize_name(name)]
    while waiting:
        each = waiting.pop()
        if each in found:
            continue
        found.add(each)
        for line in requires(each) or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(canonicalize_name(requirement.name))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_hashed(lock: str) -> None:
    loose = [str(pin) for pin, _ in pins(lock) if not re.search(r"==[^*]+$", str(pin.specifier))]
    bare = [str(pin) for pin, hashes in pins(lock) if hashes == 0]
    assert (loose, bare) == ([], [])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_names_no_index_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert re.findall(r"\S*(?://|--index|--extra|--find|@ |file:)\S*", text) == []


@pytest.mark.parametrize("lock", APART)
def test_what_lies_apart_holds_nothing_that_is_not_named(lock: str) -> None:
    asked = {canonicalize_name(each.name) for each in named(lock)}
    assert {canonicalize_name(pin.name) for pin, _ in pins(lock)} == asked


@pytest.mark.parametrize("lock", APART)
def test_what_lies_apart_is_of_the_versions_that_lie_beside_it(lock: str) -> None:
    """Both are on the path of a test's camera: which comes first must not matter."""
    beside = {pin.name: str(pin) for pin, _ in pins("requirements-dev.lock")}
    mine = [pin for pin, _ in pins(lock) if pin.name in beside]
    tested = {str(pin) for pin, _ in pins("requirements-dev.lock")}
    assert mine
    assert [str(pin) for pin in mine if str(pin) not in tested] == []


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-viewer.lock"])
def test_the_program_runs_on_the_versions_that_its_tests_run_on(lock: str) -> None:
    tested = {str(pin) for pin, _ in pins("requirements-dev.lock")}
    assert [str(pin) for pin, _ in pins(lock) if str(pin) not in tested] == []


@pytest.mark.parametrize("machine", MACHINES)
def test_debian_12_gets_a_window_that_its_glibc_can_run(machine: str) -> None:
    """Its Python is 3.11, its glibc 2.36; later wheels for aarch64 want 2.39."""
    environment = {
        "python_version": "3.11",
        "python_full_version": "3.11.2",
        "platform_machine": machine,
        "sys_platform": "linux",
    }
    versions = pin_for("pyside6-essentials", "requirements-viewer.lock", environment)
    assert len(versions) == 1
    assert machine != "aarch64" or versions == ["6.8.0.2"]
