"""A text file of entries, one a line, that programs change and people may edit.

It must not know what an entry means. Comments and lines that are not touched stay as they are;
several programs of one account may change one file.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from mqcam import files
from mqcam.errors import CredentialsError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from pathlib import Path

ENTRIES_MAX = 10_000
FILE_MAX_BYTES = 2 * 1024 * 1024
LOCK_WAIT_S = 5.0
"""How long another program may hold the file; its write takes milliseconds."""

_LOCK_POLL_S = 0.01

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[_Entry]):
    """How entries of one kind are written.

    ``parse`` takes the words of a line and raises ValueError with what it expected; no two entries
    of one file may have the same ``identity``.
    """

    header: str
    parse: Callable[[list[str]], _Entry]
    text: Callable[[_Entry], str]
    identity: Callable[[_Entry], Hashable]


class EntryFile(Generic[_Entry]):
    """The entries at ``path``; a file that is not there has none.

    Every method raises CredentialsError, with the number of the line where one is wrong.
    """

    def __init__(self, path: Path, form: Form[_Entry], *, lock_wait_s: float = LOCK_WAIT_S) -> None:
        self.path = path
        self._form = form
        self._lock_wait_s = lock_wait_s

    def read(self) -> tuple[_Entry, ...]:
        """Return the entries in their order."""
        return tuple(entry for _, entry in self._lines() if entry is not None)

    def change(self, edit: Callable[[tuple[_Entry, ...]], Sequence[_Entry]]) -> tuple[_Entry, ...]:
        """Replace what the file holds by what ``edit`` makes of it, and return that.

        When it returns, no power cut takes the change back.
        """
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                lines = self._lines()
                wanted = edit(tuple(entry for _, entry in lines if entry is not None))
                if len(wanted) > ENTRIES_MAX:
                    raise CredentialsError(str(self.path), f"holds more than {ENTRIES_MAX} entries")
                text = self._edited(lines, wanted)
                files.write_atomically(self.path, text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            raise CredentialsError(str(self.path), files.reason(error)) from error
        return tuple(wanted)

    def _edited(self, lines: list[tuple[str, _Entry | None]], wanted: Sequence[_Entry]) -> str:
        staying, there = frozenset(wanted), frozenset(entry for _, entry in lines)
        kept = [line for line, entry in lines if entry is None or entry in staying]
        added = [self._form.text(entry) for entry in wanted if entry not in there]
        return "".join(f"{line}\n" for line in (*kept, *added))

    def _lines(self) -> list[tuple[str, _Entry | None]]:
        """Return the lines, each with its entry; comments and empty ones have none."""
        found: list[tuple[str, _Entry | None]] = []
        seen: dict[Hashable, int] = {}
        # Not splitlines: a comment may hold characters that Unicode takes for the end of a line.
        for number, line in enumerate(self._text().rstrip("\n").split("\n"), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                found.append((line, None))
                continue
            try:
                entry = self._form.parse(words)
            except ValueError as error:
                raise self._wrong(number, str(error)) from None
            first = seen.setdefault(self._form.identity(entry), number)
            if first != number:
                raise self._wrong(number, f"line {first} speaks of the same one")
            found.append((line, entry))
        if len(seen) > ENTRIES_MAX:
            raise CredentialsError(str(self.path), f"holds more than {ENTRIES_MAX} entries")
        return found

    def _text(self) -> str:
        try:
            content = files.read_guarded(self.path, limit_bytes=FILE_MAX_BYTES)
        except FileNotFoundError:
            return self._form.header
        except OSError as error:
            raise CredentialsError(str(self.path), files.reason(error)) from error
        if not content.strip(b" \t\r\n\0"):  # what a disk leaves of a file that it lost
            raise CredentialsError(
                str(self.path), "is empty: take it from a backup, or delete it to begin anew"
            )
        return content.decode("utf-8-sig", "surrogateescape")

    def _wrong(self, number: int, text: str) -> CredentialsError:
        return CredentialsError(
            str(self.path), f"line {number}: {text}; correct or delete the line"
        )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the file against other programs of this account."""
        place = self.path.with_name(f".{self.path.name}.lock")
        descriptor = os.open(place, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        until = time.monotonic() + self._lock_wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise CredentialsError(
                        str(self.path), "is held by another program that does not let it go"
                    ) from None
                time.sleep(_LOCK_POLL_S)
            else:
                return
