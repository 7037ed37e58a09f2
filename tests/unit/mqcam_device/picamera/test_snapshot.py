from __future__ import annotations

from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera.snapshot import develop, forget

if TYPE_CHECKING:
    from io import BytesIO


class Request:
    """A picture that counts how often it was given back."""

    def __init__(self, error: Exception | None = None) -> None:
        self.released = 0
        self._error = error

    def save(self, name: str, file_output: BytesIO, format: str) -> None:  # noqa: A002
        assert (name, format) == ("main", "jpeg")
        if self._error:
            raise self._error
        file_output.write(b"a picture")

    def release(self) -> None:
        self.released += 1


class Job:
    """A promise, kept or broken."""

    def __init__(self, result: Request | Exception) -> None:
        self._result = result

    def get_result(self, timeout: float) -> Request:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


def test_a_picture_is_developed_and_given_back() -> None:
    request = Request()
    assert develop(Job(request), 1.0) == b"a picture"
    assert request.released == 1


def test_a_picture_that_cannot_be_encoded_is_given_back_too() -> None:
    request = Request(RuntimeError("no memory"))
    with pytest.raises(SourceError, match="no memory"):
        develop(Job(request), 1.0)
    assert request.released == 1


def test_one_that_does_not_come_is_none() -> None:
    assert develop(Job(TimeoutError()), 1.0) is None


def test_a_camera_that_ends_meanwhile_is_said_to() -> None:
    with pytest.raises(SourceError, match="being stopped"):
        develop(Job(CancelledError()), 1.0)


def test_what_came_too_late_is_given_back() -> None:
    request = Request()
    forget(Job(request))
    assert request.released == 1
    forget(Job(CancelledError()))
    forget(Job(TimeoutError()))
