"""Points, sizes and rectangles.

picamera2 adds ``to_tuple`` to two of them while it is imported.
"""

from __future__ import annotations


class Point:
    def __init__(self, x: int = 0, y: int = 0) -> None:
        self.x, self.y = x, y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]  # as pybind11 makes a class that has ==

    def __str__(self) -> str:
        return f"({self.x}, {self.y})"


class Size:
    def __init__(self, width: int = 0, height: int = 0) -> None:
        self.width, self.height = width, height

    @property
    def is_null(self) -> bool:
        return not self.width and not self.height

    def __eq__(self, other: object) -> bool:
        mine = (self.width, self.height)
        return isinstance(other, Size) and mine == (other.width, other.height)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Rectangle:
    def __init__(self, x: int = 0, y: int = 0, width: int = 0, height: int = 0) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height

    @property
    def is_null(self) -> bool:
        return not self.width and not self.height

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rectangle) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"({self.x}, {self.y})/{self.width}x{self.height}"
