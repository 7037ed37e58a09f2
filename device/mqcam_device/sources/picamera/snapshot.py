"""One picture as JPEG while the stream goes on.

It must not know who asks. ``Picamera2.capture_image`` must not be used: for a YUV stream it fails,
and each time keeps one of the camera's buffers.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import CancelledError
from io import BytesIO
from typing import Any, Final

from mqcam.errors import SourceError

_SETTLE_S: Final = 0.1
"""How long a promise that was fulfilled in the same moment may take to say so."""


class Promise:
    """A picture that picamera2 promised, as a job; either thread may be the one that waits.

    A job that nobody takes the picture from keeps one of the camera's buffers for ever.
    """

    def __init__(self, job: Any) -> None:
        self._job = job
        self.is_kept = False

    def develop(self, timeout_s: float) -> bytes | None:
        """Wait for the picture and return it as JPEG, None if it did not come in time.

        Raises SourceError when the camera ends or the picture cannot be encoded.
        """
        try:
            request = self._job.get_result(timeout=timeout_s)
        except TimeoutError:
            return None
        except CancelledError as error:
            raise SourceError("snapshot", "the camera is being stopped; try again") from error
        self.is_kept = True
        try:
            picture = BytesIO()
            request.save("main", picture, format="jpeg")
            return picture.getvalue()
        except Exception as error:
            raise SourceError("snapshot", f"the picture cannot be encoded: {error!r}") from error
        finally:
            request.release()

    def forget(self) -> None:
        """Give back a picture that came after all; call it once jobs are cancelled."""
        if self.is_kept:
            return
        with contextlib.suppress(TimeoutError, CancelledError):
            self._job.get_result(timeout=_SETTLE_S).release()
