"""What the command lines of all programs share: version, exit codes, help, no secrets.

It must not know any program or its verbs.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from mqcam.redaction import is_secret, spoken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - has no other name

EPILOG: Final = (
    "Exit codes: 0 it worked; 1 it did not; 2 the command cannot be meant so; 78 a configuration "
    "or credentials file is missing or wrong; 130 Ctrl-C before it had begun."
)
VARIABLES: Final = ("MQCAM_BROKER_DIR", "MQCAM_CREDENTIALS", "MQCAM_OWNER_KEY")
"""Every variable of the environment that stands for an option: each names a file or a folder."""
_TYPED: Final = (
    "a secret was typed into the command line, where every program on this machine can read it, "
    "and the shell's history keeps it: have a new one made, and delete it there; {where}"
)
_ASKED_FOR: Final = "run 'mqcam-viewer pair' and paste the mqcam: line when it asks"
_IN_A_FILE: Final = (
    "keys, passwords and credentials stay in files that only you can read: type the file's name "
    "(of a key the public half may be typed, ed25519:...)"
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
        """Read the command line; one that cannot be read ends the program with a sentence.

        So does one that holds a secret, before anybody can repeat it.
        """
        words = list(sys.argv[1:] if arguments is None else arguments)
        if (complaint := _complaint(words, os.environ)) is not None:
            self.error(complaint)
        options, rest = self.parse_known_args(words, namespace)
        if not rest:
            return options
        if self._file_option and not rest[0].startswith("-"):
            self.error(f"what is {rest[0]}? A file is named with {self._file_option} {rest[0]}")
        return self.error(f"unrecognized arguments: {' '.join(rest)}")

    def error(self, message: str) -> NoReturn:
        """End the program with a sentence, which repeats nothing that looks like a secret."""
        super().error(spoken(message))


def _complaint(words: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Say what is wrong with secrets where others can read them, and where they belong."""
    for word in words:
        if is_secret(word):
            is_line = "mqcam:" in word.lower() or word.isupper() or word.islower()
            return _TYPED.format(where=_ASKED_FOR if is_line else _IN_A_FILE)
    for name in VARIABLES:
        if is_secret(environ.get(name, "")):
            return (
                f"the variable {name} holds a secret itself, for every program that is started "
                f"from here: put that into a file that only you can read, and let {name} name it"
            )
    return None


class _Version(argparse.Action):
    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, **{**options, "dest": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        # Only now: looking it up takes as long as everything else here.
        from importlib.metadata import version  # noqa: PLC0415

        print(f"{parser.prog} {version('mqcam')}")  # noqa: T201 - a command line is printed here
        parser.exit()
