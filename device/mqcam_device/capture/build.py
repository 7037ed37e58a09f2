"""The release both ends of the capture link must share.

It must not know what the release contains.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def build_name() -> str:
    """Return the installed release of mqcam."""
    try:
        return version("mqcam")
    except PackageNotFoundError:
        return "source tree"
