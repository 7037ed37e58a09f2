"""What holds for every test: nothing is left behind, and a skip for want of something is loud.

It must not know mqcam; fixtures that do are in the conftest or module of their tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support import leaks, screen
from support.offline import Guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HERE = Path(__file__).parent
WITH_SOCKETS = ("integration", "e2e", "faults")
WANTS = {
    "root": "run them with sudo",
    "chromium": "install it",
    "mqtt.js": "make test installs it where there is npm",
    "picamera2": "make test installs it",
    "a package index": "run them where there is one",
}
"""What may be missing, as skips name it (``needs root``), and what to do then."""

pytest_plugins = screen.plugins()

# Examples have no time limit of their own: machines that test are busy.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_sessionstart() -> None:
    """Let orphans of the programs under test come back to us."""
    leaks.adopt_orphans()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs root when we are not root."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root: run the tests with sudo"))


def pytest_collection_finish() -> None:
    """Keep what is imported by now out of the collections after each test: they are fast then."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly which tests were left out for want of something."""
    skipped = terminalreporter.stats.get("skipped", [])
    for want, cure in WANTS.items():
        count = sum(f"needs {want}" in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(
                f"NOT TESTED: {count} tests need {want}; {cure}.", red=True, bold=True
            )
    if any(screen.NO_SCREEN in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(
            f"NOT TESTED: the window on a screen {screen.NO_SCREEN}", red=True, bold=True
        )
    if screen.problem() is not None:
        terminalreporter.write_line(
            f"NOT TESTED: the window: {screen.problem()}", red=True, bold=True
        )


def kind_of(path: Path) -> str:
    """Return the folder that says which kind of test a file holds."""
    return path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""


@pytest.fixture(scope="session")
def guard() -> Guard:
    """Watch over the rules of unit tests."""
    return Guard()


@pytest.fixture(autouse=True, scope="session")
def _own_state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep what viewers learn out of the folder of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(autouse=True)
def unit_tests_stay_offline(request: pytest.FixtureRequest, guard: Guard) -> Iterator[None]:
    """Fail a unit test at the line where it opens a socket."""
    with guard.closed() if kind_of(request.node.path) == "unit" else contextlib.nullcontext():
        yield


@pytest.fixture(autouse=True)
def left_behind(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Fail a test that leaves a task, thread, process, descriptor or lost exception behind."""
    path: Path = request.node.path
    with leaks.watch(files=kind_of(path) in WITH_SOCKETS) as found:
        yield found
    if found:
        pytest.fail("left behind:\n  " + "\n  ".join(found), pytrace=False)


@pytest.fixture(autouse=True)
def left_in_loop(request: pytest.FixtureRequest, left_behind: list[str]) -> None:
    """Watch the loop of a test that has one.

    A fixture of its own: whatever ``left_behind`` asked for would outlive it.
    """
    assert left_behind == []
    if request.node.get_closest_marker("asyncio"):
        request.getfixturevalue("tasks_end")


@pytest.fixture
async def tasks_end(left_behind: list[str]) -> AsyncIterator[None]:
    """Note the tasks that outlive their test."""
    known = asyncio.all_tasks()
    yield
    left_behind += await leaks.leaked_tasks(known)
