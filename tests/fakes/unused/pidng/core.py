from __future__ import annotations


class PICAM2DNG:
    """Would write a DNG file."""
