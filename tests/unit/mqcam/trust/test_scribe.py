"""Writing beside the loop: nothing asked for is forgotten, and much of it is done at once."""

from __future__ import annotations

import threading

import pytest
from mqcam.trust.scribe import Scribe

WAIT_S = 10.0


class Disk:
    """Holds each write until it is let go."""

    def __init__(self) -> None:
        self.value = 0
        self.written: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def write(self) -> None:
        value = self.value
        self.begun.release()
        assert self.go.acquire(timeout=WAIT_S)
        self.written.append(value)


def test_what_is_asked_for_during_a_write_is_written_in_one_go_after_it() -> None:
    disk = Disk()
    scribe = Scribe(disk.write, name="test")
    for value in range(1, 11):
        disk.value = value
        scribe.request()
        if value == 1:
            assert disk.begun.acquire(timeout=WAIT_S)
    disk.go.release(2)
    scribe.close()
    assert disk.written == [1, 10]


def test_it_writes_again_after_it_has_come_to_rest() -> None:
    disk = Disk()
    scribe = Scribe(disk.write, name="test")
    disk.go.release(2)
    for value in (1, 2):
        disk.value = value
        scribe.request()
        scribe.close()
    assert disk.written == [1, 2]


def test_request_does_not_wait() -> None:
    disk = Disk()
    scribe = Scribe(disk.write, name="test")
    scribe.request()
    assert disk.begun.acquire(timeout=WAIT_S)
    assert disk.written == []
    disk.go.release()
    scribe.close()


def test_close_without_a_request_is_nothing() -> None:
    Scribe(lambda: None, name="test").close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_a_write_does_not_silence_it_for_ever() -> None:
    done: list[str] = []

    def write() -> None:
        done.append("x")
        raise ValueError

    scribe = Scribe(write, name="test")
    for _ in range(2):
        scribe.request()
        scribe.close()
    assert done == ["x", "x"]
