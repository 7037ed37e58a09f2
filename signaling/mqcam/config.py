"""Read a YAML file into frozen dataclasses and report every mistake with its place.

It must not know any particular configuration: the dataclasses carry keys, types, ranges, defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Range:
    """The allowed values of a number, both ends included: ``Annotated[int, Range(1, 60, "fps")]``."""

    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Matches:
    """A pattern that a whole text must match, and what to call such a text."""

    pattern: str
    description: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a value that no message may show: ``Annotated[str, Secret()]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Width and height of a picture in pixels, written ``1280x720``."""

    width: int
    height: int

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Parse ``1280x720``; raise ValueError with a sentence otherwise."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@runtime_checkable
class Checked(Protocol):
    """A dataclass with rules that join several of its keys."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield a key and a message for every broken rule."""
        ...


def load(path: Path | str, type_: type[T]) -> T:
    """Read the YAML file at ``path`` as ``type_``; raise ConfigError with all of its problems."""
    raise NotImplementedError


def decode(text: str, type_: type[T], *, file: str) -> T:
    """Decode YAML ``text`` as ``type_``; raise ConfigError with all of its problems."""
    raise NotImplementedError


def defaults(type_: type) -> dict[str, object]:
    """Return every dotted key of ``type_`` with its default; required keys have ``REQUIRED``."""
    raise NotImplementedError
