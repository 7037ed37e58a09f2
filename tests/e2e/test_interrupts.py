"""Ctrl-C while a program loads its libraries, and a reader that goes away: no word, one code."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 20.0
PROGRAMS = ("broker", "device", "viewer")

SLOW_LIBRARY = """
import sys
print("loading", flush=True)
sys.stdin.readline()
def main() -> int:
    {main}
"""


def started(folder: Path, main: str) -> subprocess.Popen[str]:
    """Start a program of ours whose libraries take as long as the test wants."""
    (folder / "slow.py").write_text(SLOW_LIBRARY.format(main=main))
    code = f"import sys; sys.path.insert(0, {str(folder)!r}); "
    code += "from mqcam import entry; entry.run('slow')"
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, text=True
    )


def test_ctrl_c_while_the_libraries_load_is_quiet(tmp_path: Path) -> None:
    with started(tmp_path, "return 0") as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "loading\n"
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=TIMEOUT_S)
    assert (program.returncode, errors) == (130, "")


def test_ctrl_c_in_the_program_itself_is_quiet(tmp_path: Path) -> None:
    with started(tmp_path, "raise KeyboardInterrupt") as program:
        _, errors = program.communicate("\n", timeout=TIMEOUT_S)
    assert (program.returncode, errors) == (130, "")


def test_a_reader_that_has_enough_is_no_news(tmp_path: Path) -> None:
    with started(tmp_path, "return print('x' * 100_000) or 0") as program:
        assert program.stdout is not None
        program.stdout.readline()
        program.stdout.close()
        program.stdout = None
        _, errors = program.communicate("\n", timeout=TIMEOUT_S)
    assert (program.returncode, errors) == (1, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_begins_there(program: str) -> None:
    code = f"from mqcam import entry; import sys; sys.argv = ['x', '--help']; entry.{program}()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"mqcam-{program}" in done.stdout
