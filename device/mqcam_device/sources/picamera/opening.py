"""Open one camera through picamera2, or say why it cannot be.

It must not know what is done with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable


def open_camera(picamera2: Callable[[int], Any], place: int) -> Any:
    """Open the camera at a place of picamera2's list; raises SourceError."""
    try:
        return picamera2(place)
    except (RuntimeError, OSError) as error:
        if "busy" in explain(error):
            reason = "another program uses the camera: end it, then it is taken by itself"
            raise SourceError("picamera", reason) from error
        reason = f"the camera cannot be opened: {explain(error)}"
        raise SourceError("picamera", reason) from error


def explain(error: BaseException) -> str:
    """Return the innermost reason: picamera2 wraps what libcamera said."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__
