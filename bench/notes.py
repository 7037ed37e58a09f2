"""When each picture was handed to the sender: written by a camera's process, read by the bench.

It must not know what hands a picture over.
"""

from __future__ import annotations

from pathlib import Path

NS_PER_MS = 1_000_000


class Notes:
    """A file with one line per picture: when it was captured and when handed over, monotonic ns."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("w", buffering=1)  # noqa: SIM115 - as long as the process

    def add(self, captured_ns: int, handed_ns: int) -> None:
        """Note one picture."""
        self._file.write(f"{captured_ns} {handed_ns}\n")


def read_notes(path: Path) -> dict[int, float]:
    """Return when each picture was handed over, in ms, by the millisecond that is drawn into it."""
    handed: dict[int, float] = {}
    *complete, _ = path.read_text().split("\n")  # the last line may be half written
    for line in complete:
        captured_ns, handed_ns = map(int, line.split())
        handed.setdefault(captured_ns // NS_PER_MS, handed_ns / NS_PER_MS)
    return handed
