"""A million real messages made wrong, with seeds that nobody tried before."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MUTATIONS = 1_000_000
PARTS = 8
TIMEOUT_S = 1800.0
"""A million take six minutes of one quiet core."""


def problem_of(seed: int) -> str:
    """Run one part in a process of its own; return what it complains of."""
    command = [sys.executable, "-m", "support.fuzz", str(seed), str(MUTATIONS // PARTS)]
    done = subprocess.run(
        command, cwd=TESTS, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    return f"{' '.join(command[1:])}:\n{done.stderr}" if done.returncode else ""


@pytest.mark.long
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_but_refusals_comes_of_a_million_wrong_messages() -> None:
    seeds = [secrets.randbits(32) for _ in range(PARTS)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = list(pool.map(problem_of, seeds))
    assert not any(problems), "\n".join(problems)
