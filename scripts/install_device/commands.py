"""Other programs, called with a deadline, and what they say kept in a log.

It must not know what they are called for.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LIMIT_S = 1800
"""Enough for apt and pip on a Pi Zero 2 W with a slow network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a program ended, and what it said on both of its outputs."""

    code: int
    said: str


class Commands(Protocol):
    """Calls programs; tests have one that only writes down what it was asked for."""

    def call(self, command: Sequence[str], *, limit_s: float = LIMIT_S) -> Done:
        """Run ``command`` to its end; a program that is missing or hangs ends with code -1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RealCommands:
    """Calls them for real; all that they say goes to ``log``."""

    log: Path
    environ: dict[str, str]

    def call(self, command: Sequence[str], *, limit_s: float = LIMIT_S) -> Done:
        """Run ``command`` to its end."""
        try:
            ended = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self.environ,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except OSError as error:
            done = Done(code=-1, said=f"{command[0]}: {error.strerror}")
        except subprocess.TimeoutExpired:
            done = Done(code=-1, said=f"{command[0]}: not done after {limit_s:.0f} s")
        else:
            done = Done(code=ended.returncode, said=ended.stdout)
        self._write_down(command, done)
        return done

    def _write_down(self, command: Sequence[str], done: Done) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{done.said}\n")


def must(commands: Commands, command: Sequence[str], sentence: str) -> Done:
    """Run ``command``; raise Refused with ``sentence`` where it fails."""
    done = commands.call(command)
    if done.code != 0:
        raise Refused(sentence)
    return done
