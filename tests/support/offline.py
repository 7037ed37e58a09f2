"""Keeps unit tests off the network: a test that needs it is of another kind.

It must not know which test runs: it forbids while it is told to.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FORBIDDEN = {
    "socket.bind": "opens a socket",
    "socket.connect": "opens a socket",
}
"""Audit events of the interpreter, and what they mean."""


class UnitTestError(Exception):
    """A unit test did what only tests in other folders may."""


class Guard:
    """Forbids while it is closed; an audit hook stays for the life of the interpreter."""

    def __init__(self) -> None:
        self._is_closed = False
        sys.addaudithook(self._audit)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Forbid during the body."""
        self._is_closed = True
        try:
            yield
        finally:
            self._is_closed = False

    def _audit(self, event: str, _: tuple[object, ...]) -> None:
        if self._is_closed and event in FORBIDDEN:
            raise UnitTestError(
                f"a unit test {FORBIDDEN[event]}: it belongs into tests/integration"
            )
