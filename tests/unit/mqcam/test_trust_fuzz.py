"""Real messages made wrong, through keys, documents, decoding and both ends' rules.

A million of them are in ``tests/faults/test_fuzz.py``.
"""

from __future__ import annotations

import pytest
from support.fuzz import fuzz, judge

MUTATIONS = 10_000


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_but_refusals_comes_of_wrong_messages(seed: int) -> None:
    """No error escapes, no table outgrows its bound, and no memory is kept."""
    judge(fuzz(seed, MUTATIONS))
