"""A thread that makes every call to picamera2, because any of them may never return.

It must not know cameras. Who calls waits with a deadline; a thread that hangs is left behind, and
its process is to be replaced.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, TypeVar

from mqcam.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")

_MAX_CALLS: Final = 8
"""Calls that wait at the same time; more are refused."""

_ENDING: Final = "the camera is being stopped"


class Worker:
    """Does posted work in order, and calls that somebody waits for before it.

    ``due_s`` returns when `on_due` is to be called next, on the clock of time.monotonic, None for
    not at all. ``on_error`` hears what posted work raised.
    """

    def __init__(
        self,
        name: str,
        *,
        due_s: Callable[[], float | None],
        on_due: Callable[[], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._due_s, self._on_due, self._on_error = due_s, on_due, on_error
        self._changed = threading.Condition()
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._posted: dict[Hashable, Callable[[], None]] = {}
        self._last: Callable[[], None] | None = None
        self._busy_since_s: float | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def busy_s(self) -> float:
        """How long the present piece of work has taken, 0 for none."""
        since_s = self._busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def post(self, key: Hashable, work: Callable[[], None]) -> None:
        """Do something soon; the newest of a key replaces what still waits."""
        with self._changed:
            self._posted.pop(key, None)  # to the end: what came later is done later
            self._posted[key] = work
            self._changed.notify()

    def call(self, work: Callable[[], T], timeout_s: float, *, what: str) -> T:
        """Do something and return its result; raises what it raises, SourceError if it hangs."""
        future: Future[T] = Future()
        with self._changed:
            if self._last is not None:
                raise SourceError("picamera", _ENDING)
            if len(self._calls) >= _MAX_CALLS:
                raise SourceError("picamera", f"too much is asked of the camera at once: {what}")
            self._calls.append((future, work))
            self._changed.notify()
        try:
            return future.result(timeout_s)
        except TimeoutError as error:
            if not future.cancel() and future.done():
                return future.result()  # it came in the same moment, or this is what it raised
            reason = f"libcamera did not answer within {timeout_s:.3g} s: {what}"
            raise SourceError("picamera", reason) from error

    def stop(self, last: Callable[[], None], timeout_s: float) -> bool:
        """Drop what waits, do one last thing and end; False if that did not happen in time."""
        with self._changed:
            self._last = last
            self._posted.clear()
            dropped, self._calls = list(self._calls), deque()
            self._changed.notify()
        for future, _ in dropped:
            if future.set_running_or_notify_cancel():
                future.set_exception(SourceError("picamera", _ENDING))
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            work = self._next()
            self._busy_since_s = time.monotonic()
            work()
            self._busy_since_s = None
            if work == self._last:
                return

    def _next(self) -> Callable[[], None]:
        """Wait for something to do."""
        with self._changed:
            while True:
                if self._last is not None:
                    return self._last
                if self._calls:
                    future, work = self._calls.popleft()
                    return lambda: self._answer(future, work)
                if self._posted:
                    work = self._posted.pop(next(iter(self._posted)))
                    return lambda: self._do(work)
                due_s = self._due_s()
                rest_s = None if due_s is None else due_s - time.monotonic()
                if rest_s is not None and rest_s <= 0:
                    return lambda: self._do(self._on_due)
                self._changed.wait(rest_s)

    def _answer(self, future: Future[Any], work: Callable[[], Any]) -> None:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - it is the caller's
            future.set_exception(error)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread goes on
            self._on_error(error)
