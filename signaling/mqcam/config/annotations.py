"""What a configuration dataclass may say about its keys, and how to ask it.

It must not know YAML: the decoder turns text into what is described here.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, get_type_hints, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUIRED: Final = object()
"""Stands in ``defaults`` for a key that has none."""


@dataclass(frozen=True, slots=True)
class Range:
    """The allowed values of a number, or lengths of a list: ``Annotated[int, Range(1, 60)]``."""

    low: float
    high: float
    unit: str = ""

    def __str__(self) -> str:
        ends = f"{self.low:.15g}" + f" to {self.high:.15g}" * (self.low != self.high)
        return f"{ends} {self.unit}".rstrip()


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
        match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
        if match is None:
            raise ValueError("expected a size such as 1280x720")
        width, height = int(match[1]), int(match[2])
        if not (64 <= width <= 4096 and 64 <= height <= 4096):  # noqa: PLR2004 - H.264 level 5.1
            raise ValueError("expected a size from 64x64 to 4096x4096")
        if width % 2 or height % 2:
            raise ValueError("expected an even width and height, which 4:2:0 colour needs")
        return cls(width=width, height=height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@runtime_checkable
class Checked(Protocol):
    """A dataclass with rules that join several of its keys."""

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield a key and a message for every broken rule."""
        ...


def defaults(type_: type) -> dict[str, object]:
    """Return every dotted key of ``type_`` with its default; keys without one have ``REQUIRED``."""
    flat: dict[str, object] = {}
    hints = get_type_hints(type_)
    for field in dataclasses.fields(type_):
        value = default_of(field)
        section = hints[field.name] if value is REQUIRED else type(value)
        if is_section(section):
            for key, inner in defaults(section).items():
                flat[f"{field.name}.{key}"] = inner
        else:
            flat[field.name] = value
    return flat


def default_of(field: dataclasses.Field[Any]) -> object:
    """Return what a key is when the file leaves it out, ``REQUIRED`` if it may not."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return REQUIRED if field.default is dataclasses.MISSING else field.default


def is_section(hint: object) -> bool:
    """Tell whether a type is written as keys below a key, not as one text like Size."""
    return (
        isinstance(hint, type) and dataclasses.is_dataclass(hint) and not hasattr(hint, "from_text")
    )


def variants(hint: object) -> tuple[type, ...]:
    """Return the dataclasses that a section's type allows; empty if it is no section."""
    return tuple(each for each in (typing.get_args(hint) or (hint,)) if is_section(each))
