"""A million real messages made wrong, with seeds that nobody tried before."""

from __future__ import annotations

import multiprocessing
import os
import secrets
from concurrent.futures import ProcessPoolExecutor

import pytest
from support.fuzz import fuzz, judge

MUTATIONS = 1_000_000
PARTS = 8
TIMEOUT_S = 1800.0
"""A million take six minutes of one quiet core."""


@pytest.mark.long
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_but_refusals_comes_of_a_million_wrong_messages() -> None:
    """An error that escapes names its seed: ``fuzz(SEED, COUNT)`` makes it again."""
    seeds = [secrets.randbits(32) for _ in range(PARTS)]
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawning) as pool:
        parts = [pool.submit(fuzz, seed, MUTATIONS // PARTS) for seed in seeds]
        for seed, part in zip(seeds, parts, strict=True):
            try:
                judge(part.result(TIMEOUT_S))
            except BaseException as error:
                error.add_note(f"seed {seed}, {MUTATIONS // PARTS} mutations")
                raise
