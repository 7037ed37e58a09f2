from __future__ import annotations

from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera.snapshot import Promise

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


def test_a_picture_is_developed_and_given_back_once() -> None:
    request = Request()
    promise = Promise(Job(request))
    assert promise.develop(1.0) == b"a picture"
    promise.forget()
    assert request.released == 1


def test_a_picture_that_cannot_be_encoded_is_given_back_once_too() -> None:
    request = Request(RuntimeError("no memory"))
    promise = Promise(Job(request))
    with pytest.raises(SourceError, match="no memory"):
        promise.develop(1.0)
    promise.forget()
    assert request.released == 1


def test_one_that_does_not_come_is_none() -> None:
    promise = Promise(Job(TimeoutError()))
    assert promise.develop(1.0) is None
    assert not promise.is_kept


def test_a_camera_that_ends_meanwhile_is_said_to() -> None:
    with pytest.raises(SourceError, match="being stopped"):
        Promise(Job(CancelledError())).develop(1.0)


def test_what_came_too_late_is_given_back() -> None:
    request = Request()
    Promise(Job(request)).forget()
    assert request.released == 1


@pytest.mark.parametrize("error", [CancelledError(), TimeoutError()])
def test_what_never_came_is_forgotten(error: Exception) -> None:
    Promise(Job(error)).forget()
