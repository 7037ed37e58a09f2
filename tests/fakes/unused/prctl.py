"""Stands in for python-prctl, which picamera2 imports for an output that nobody here uses."""

from __future__ import annotations


def set_pdeathsig(signal: int) -> None:
    raise NotImplementedError
