"""What a control or a property is: its id, its type, its range; which values may be set."""

from __future__ import annotations

import enum
import itertools
from typing import Any

from .geometry import Point, Rectangle, Size

_numbers = itertools.count(1)


class ControlType(enum.Enum):
    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 3
    Integer64 = 4
    Float = 5
    String = 6
    Rectangle = 7
    Size = 8
    Point = 9


PYTHON_TYPES: dict[ControlType, tuple[type, ...]] = {
    ControlType.Bool: (bool, int),
    ControlType.Byte: (int,),
    ControlType.Integer32: (int, enum.Enum),
    ControlType.Integer64: (int,),
    ControlType.Float: (float, int),
    ControlType.String: (str,),
    ControlType.Rectangle: (Rectangle,),
    ControlType.Size: (Size,),
    ControlType.Point: (Point,),
}


class ControlId:
    """One control or property. Two are equal if they are the same object, as the real ones."""

    def __init__(
        self, name: str, kind: ControlType, *, is_array: bool = False, vendor: str = "libcamera"
    ) -> None:
        self.id = next(_numbers)
        self.name, self.type, self.vendor, self.isArray = name, kind, vendor, is_array

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"libcamera.ControlId({self.id}, {self.vendor}.{self.name}, {self.type})"

    def _check(self, value: Any) -> None:
        """Raise RuntimeError for a value that the bindings could not cast."""
        values = value if isinstance(value, list | tuple) else [value]
        if isinstance(value, list | tuple) != self.isArray and self.name != "ScalerCrops":
            raise RuntimeError(f"Unable to cast Python instance {value!r} for {self.name}")
        if not all(isinstance(each, PYTHON_TYPES[self.type]) for each in values):
            raise RuntimeError(f"Unable to cast Python instance {value!r} for {self.name}")


class ControlInfo:
    """The range of a control: None where it has no default."""

    def __init__(self, least: Any, most: Any, default: Any) -> None:
        self.min, self.max, self.default = least, most, default
        self.values: list[Any] = []

    def __str__(self) -> str:
        return f"[{self.min}..{self.max}]"


def as_value(kind: ControlType, plain: Any) -> Any:
    """Return a value of a scene as libcamera's: a rectangle is four numbers there."""
    return Rectangle(*plain) if kind is ControlType.Rectangle and plain is not None else plain
