from __future__ import annotations

import pytest
from mqcam.errors import MissingRequirement
from mqcam.private import (
    SUPPORTED_VERSIONS,
    PrivateName,
    check_libraries,
    check_version,
    declared_names,
    find_problem,
)


def name(path: str, *, parameters: tuple[str, ...] | None = None) -> PrivateName:
    """Declare a name of aioice."""
    return PrivateName(module="aioice.ice", path=path, reason="a test", parameters=parameters)


def test_the_installed_libraries_have_every_declared_name() -> None:
    check_libraries()


@pytest.mark.parametrize("declared", declared_names(), ids=lambda each: each.path)
def test_each_declared_name_is_there_and_has_a_reason(declared: PrivateName) -> None:
    assert find_problem(declared) is None
    assert declared.library in SUPPORTED_VERSIONS
    assert len(declared.reason) > 10


@pytest.mark.parametrize(
    "missing",
    [
        name("Connection._gone"),
        name("Gone._queue"),
        name("_gone"),
        name("Connection._gone", parameters=("self",)),
        name("Connection._pair_remote_candidate", parameters=("self", "another")),
        PrivateName(module="aioice.gone", path="_x", reason="a test"),
    ],
    ids=lambda each: f"{each.module}.{each.path}",
)
def test_a_name_that_is_gone_or_changed_stops_the_program_with_its_remedy(
    missing: PrivateName,
) -> None:
    with pytest.raises(MissingRequirement, match=r'pip install "aioice==0\.13\.\*"'):
        check_libraries([missing])


def test_another_minor_version_is_refused() -> None:
    with pytest.raises(MissingRequirement, match=r"is built on 0\.99"):
        check_version("aioice", "0.99")


def test_a_library_is_named_as_it_is_installed() -> None:
    with pytest.raises(MissingRequirement, match=r'pip install "paho-mqtt==9\.9\.\*"'):
        check_version("paho", "9.9")


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingRequirement, match="mqcam-nonexistent is not installed"):
        check_version("mqcam-nonexistent", "1.0")
