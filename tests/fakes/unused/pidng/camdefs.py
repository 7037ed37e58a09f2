from __future__ import annotations


class Picamera2Camera:
    """Would describe a camera to a DNG file."""
