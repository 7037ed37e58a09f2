"""Counters that wrap."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.wrapping import signed


@pytest.mark.parametrize("bits", [16, 32])
@given(data=st.data())
def test_differences_of_wrapping_counters_have_a_sign(bits: int, data: st.DataObject) -> None:
    counters = st.integers(0, 2**bits - 1)
    later, earlier = data.draw(counters), data.draw(counters)
    difference = signed(later - earlier, bits=bits)
    assert -(2 ** (bits - 1)) <= difference < 2 ** (bits - 1)
    assert (earlier + difference) % 2**bits == later
