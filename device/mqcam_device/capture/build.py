"""The release both ends of the capture link must share.

It must not know what the release contains.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def build_name() -> str:
    """Return the release of mqcam that was installed when this process first asked."""
    try:
        return version("mqcam")
    except PackageNotFoundError:
        return "source tree"
