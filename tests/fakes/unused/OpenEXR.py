"""Stands in for the bindings of OpenEXR, which picamera2 imports for a sensor of another kind."""

from __future__ import annotations


class InputFile:
    """Would be an image."""
