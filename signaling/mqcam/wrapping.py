"""Counters that wrap: sequence numbers of 16 bits, times of 32.

It must not know what they count.
"""

from __future__ import annotations


def signed(difference: int, *, bits: int) -> int:
    """Read the difference of two such counters: from -2**(bits - 1) to 2**(bits - 1) - 1."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
