from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.picamera.worker import Worker
from support.polling import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 10.0


class Told:
    """A worker, and what it told."""

    def __init__(self) -> None:
        self.errors: queue.Queue[Exception] = queue.Queue()
        self.due_s: float | None = None
        self.dues: queue.Queue[float] = queue.Queue()
        self.worker = Worker(
            "worker", due_s=lambda: self.due_s, on_due=self._on_due, on_error=self.errors.put
        )

    def _on_due(self) -> None:
        self.due_s = None
        self.dues.put(time.monotonic())


@contextmanager
def working() -> Iterator[Told]:
    told = Told()
    told.worker.start()
    try:
        yield told
    finally:
        assert told.worker.stop(lambda: None, DEADLINE_S)


@contextmanager
def blocked(told: Told) -> Iterator[None]:
    """Keep the worker busy for the length of a block."""
    begun, gate = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        gate.wait(DEADLINE_S)

    told.worker.post("block", work)
    assert begun.wait(DEADLINE_S)
    try:
        yield
    finally:
        gate.set()


def test_a_call_returns_what_its_work_returns_or_raises_what_it_raises() -> None:
    with working() as told:
        assert told.worker.call(lambda: 7, DEADLINE_S, what="counting") == 7
        with pytest.raises(ZeroDivisionError):
            told.worker.call(lambda: 1 // 0, DEADLINE_S, what="counting")
        with pytest.raises(TimeoutError, match="its own"):
            told.worker.call(raiser(TimeoutError("its own")), DEADLINE_S, what="counting")


def raiser(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_a_call_that_hangs_is_given_up_and_never_done() -> None:
    done: list[int] = []
    with working() as told:
        with blocked(told), pytest.raises(SourceError, match=r"within 0.01 s: counting"):
            told.worker.call(lambda: done.append(1), 0.01, what="counting")
        told.worker.call(lambda: None, DEADLINE_S, what="waiting")
    assert done == []


def test_calls_go_before_posted_work_and_the_newest_of_a_key_wins() -> None:
    done: list[str] = []
    with working() as told:
        with blocked(told):
            for word in ("first", "second", "third"):
                told.worker.post("other" if word == "second" else "key", adder(done, word))
            call = threading.Thread(
                target=lambda: told.worker.call(adder(done, "call"), DEADLINE_S, what="")
            )
            call.start()
            until(lambda: bool(told.worker._calls), timeout_s=DEADLINE_S)
        call.join()
        told.worker.call(lambda: None, DEADLINE_S, what="waiting")
        told.worker.post("last", adder(done, "last"))
        until(lambda: "last" in done, timeout_s=DEADLINE_S)
    assert done == ["call", "second", "third", "last"]


def adder(done: list[str], word: str) -> Callable[[], None]:
    return lambda: done.append(word)


def test_what_posted_work_raises_is_told_and_the_thread_goes_on() -> None:
    with working() as told:
        told.worker.post("key", raiser(ValueError("wrong")))
        assert str(told.errors.get(timeout=DEADLINE_S)) == "wrong"
        assert told.worker.call(lambda: 1, DEADLINE_S, what="") == 1


def test_too_many_calls_are_refused() -> None:
    with working() as told, blocked(told):
        for _ in range(8):
            with pytest.raises(SourceError, match="did not answer"):
                told.worker.call(lambda: None, 0.001, what="")
        with pytest.raises(SourceError, match="too much is asked"):
            told.worker.call(lambda: None, 0.001, what="")


def test_what_is_due_is_done_once_it_is() -> None:
    with working() as told:
        due_s = time.monotonic() + 0.05
        told.due_s = due_s
        told.worker.post("look again", lambda: None)
        assert told.dues.get(timeout=DEADLINE_S) >= due_s


def test_how_long_it_has_been_busy_can_be_seen() -> None:
    with working() as told:
        with blocked(told):
            until(lambda: told.worker.busy_s > 0.01, timeout_s=DEADLINE_S)
        told.worker.call(lambda: None, DEADLINE_S, what="")
        until(lambda: not told.worker.busy_s, timeout_s=DEADLINE_S)


def test_stopping_does_one_last_thing_and_drops_what_waits() -> None:
    done: list[str] = []
    told = Told()
    told.worker.start()
    with blocked(told):
        told.worker.post("key", adder(done, "posted"))
        assert not told.worker.stop(adder(done, "last"), 0.01)
        with pytest.raises(SourceError, match="being stopped"):
            told.worker.call(lambda: None, DEADLINE_S, what="")
    assert told.worker.stop(adder(done, "last again"), DEADLINE_S)
    assert done == ["last again"]


def test_one_that_was_never_started_has_stopped() -> None:
    assert Told().worker.stop(lambda: None, DEADLINE_S)
