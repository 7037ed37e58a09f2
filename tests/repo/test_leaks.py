"""The leak check of ``tests/conftest.py`` finds each kind of leak, and lets clean tests pass."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = Path(__file__).parents[1]

LEAKS = {
    "task": (
        "async def test_it():\n"
        "    kept.append(asyncio.create_task(asyncio.sleep(60), name='forgotten'))\n"
    ),
    "exception": (
        "async def boom():\n"
        "    raise ValueError('lost')\n"
        "async def test_it():\n"
        "    task = asyncio.create_task(boom())\n"
        "    await asyncio.sleep(0)\n"
    ),
    "thread": (
        "def test_it():\n"
        "    threading.Thread(target=time.sleep, args=(30,), name='mine', daemon=True).start()\n"
    ),
    "process": (
        "def test_it():\n"
        "    kept.append(subprocess.Popen(['sleep', '60'], start_new_session=True))\n"
    ),
    "process of a process": (
        "def test_it():\n    subprocess.run(['sh', '-c', 'sleep 60 & true'], check=True)\n"
    ),
    "descriptor": ("def test_it():\n    kept.append(socket.socket())\n"),
}
CLEAN = """
async def test_awaits_its_task():
    await asyncio.create_task(asyncio.sleep(0))

async def test_awaits_its_cancelled_task():
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    await asyncio.wait([task])

async def test_uses_the_executor():
    await asyncio.to_thread(time.sleep, 0)

def test_waits_for_its_process():
    subprocess.run(["true"], check=True)

async def test_waits_for_its_process_in_the_loop():
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()

def test_closes_its_socket():
    socket.socket().close()
"""
PREAMBLE = "import asyncio, socket, subprocess, threading, time\nkept = []\n"


@pytest.fixture
def tests(pytester: pytest.Pytester) -> Path:
    """A folder of tests under our conftest, with room for tests that open sockets."""
    root = pytester.path / "tests"
    (root / "integration").mkdir(parents=True)
    (root / "conftest.py").write_bytes((TESTS / "conftest.py").read_bytes())
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        f"addopts = --import-mode=importlib -p no:pytest-qt\npythonpath = {TESTS}\n"
    )
    return root / "integration"


@pytest.mark.parametrize("kind", LEAKS)
def test_a_planted_leak_fails_its_test(kind: str, tests: Path, pytester: pytest.Pytester) -> None:
    (tests / "test_planted.py").write_text(PREAMBLE + LEAKS[kind])
    result = pytester.runpytest_subprocess(timeout=30)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["left behind:", f"  {kind.split(maxsplit=1)[0]}*"])


def test_a_leak_is_blamed_on_one_test_only(tests: Path, pytester: pytest.Pytester) -> None:
    clean = "\ndef test_next():\n    pass\n"
    (tests / "test_planted.py").write_text(PREAMBLE + LEAKS["thread"] + clean)
    pytester.runpytest_subprocess(timeout=30).assert_outcomes(passed=2, errors=1)


@pytest.mark.parametrize("call", ["create_connection", "create_server"])
def test_a_unit_test_may_not_open_a_socket(
    call: str, tests: Path, pytester: pytest.Pytester
) -> None:
    (tests.parent / "unit").mkdir()
    (tests.parent / "unit/test_planted.py").write_text(
        f"{PREAMBLE}\ndef test_it():\n    socket.{call}(('127.0.0.1', 0))\n"
        "async def test_that_has_a_loop():\n    pass\n"
    )
    result = pytester.runpytest_subprocess(timeout=30)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines("*UnitTestError*belongs into tests/integration*")


def test_clean_tests_pass(tests: Path, pytester: pytest.Pytester) -> None:
    (tests / "test_clean.py").write_text(PREAMBLE + CLEAN)
    pytester.runpytest_subprocess(timeout=30).assert_outcomes(passed=6)
