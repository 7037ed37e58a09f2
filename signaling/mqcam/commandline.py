"""What the command lines of all programs share: version, exit codes, help when nothing is asked.

It must not know any program or its verbs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - has no other name

EPILOG: Final = (
    "Exit codes: 0 it worked; 1 it did not; 2 the command cannot be meant so; 78 a configuration "
    "or credentials file is missing or wrong; 130 Ctrl-C before it had begun."
)


class Parser(argparse.ArgumentParser):
    """A parser whose help tells the exit codes, and which explains a file without its option."""

    def __init__(self, *, file_option: str | None = None, **options: Any) -> None:
        super().__init__(**{"epilog": EPILOG, "allow_abbrev": False, **options})
        self._file_option = file_option

    def add_version(self) -> None:
        """Add ``--version``."""
        self.add_argument("--version", action=_Version, help="print the version and end")

    def parse_args(  # type: ignore[override]
        self, arguments: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Read the command line; one that cannot be read ends the program with a sentence."""
        options, rest = self.parse_known_args(arguments, namespace)
        if not rest:
            return options
        if self._file_option and not rest[0].startswith("-"):
            self.error(f"what is {rest[0]}? A file is named with {self._file_option} {rest[0]}")
        return self.error(f"unrecognized arguments: {' '.join(rest)}")


class _Version(argparse.Action):
    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **{**options, "dest": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        # Only now: looking it up takes as long as everything else here.
        from importlib.metadata import version  # noqa: PLC0415

        print(f"{parser.prog} {version('mqcam')}")  # noqa: T201 - a command line is printed here
        parser.exit()
