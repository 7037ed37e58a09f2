"""One picture as JPEG while the stream goes on.

It must not know who asks. ``Picamera2.capture_image`` must not be used: for a YUV stream it fails,
and each time keeps one of the camera's buffers.
"""

from __future__ import annotations

from concurrent.futures import CancelledError
from io import BytesIO
from typing import Any, Final

from mqcam.errors import SourceError

_SETTLE_S: Final = 0.1
"""How long a promise that was fulfilled in the same moment may take to say so."""


def develop(job: Any, timeout_s: float) -> bytes | None:
    """Wait for picamera2's promise of a picture and return it as JPEG, None if none came in time.

    Raises SourceError when the camera ends or the picture cannot be encoded.
    """
    try:
        request = job.get_result(timeout=timeout_s)
    except TimeoutError:
        return None
    except CancelledError as error:
        raise SourceError("snapshot", "the camera is being stopped; try again") from error
    try:
        picture = BytesIO()
        request.save("main", picture, format="jpeg")
        return picture.getvalue()
    except Exception as error:
        raise SourceError("snapshot", f"the picture cannot be encoded: {error!r}") from error
    finally:
        request.release()


def forget(job: Any) -> None:
    """Give back what a promise holds that came true after all; call it once it is cancelled."""
    try:
        request = job.get_result(timeout=_SETTLE_S)
    except (TimeoutError, CancelledError):
        return
    request.release()
