"""Read a JSON object of a stranger strictly: present, of the right type, within its limit.

It must not know any message: the limits come from the caller.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mqcam.errors import MalformedMessage

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

INTEGER_MAX = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""
SECOND_MAX = 253_402_300_799
"""The last Unix second of the year 9999."""


def read_object(body: bytes) -> Fields:
    """Return the fields of the JSON object in ``body``; raise MalformedMessage else."""
    try:
        value: object = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("the body is not UTF-8 JSON") from error
    return Fields(value, "the body")


class Fields:
    """Read the fields of one JSON object; every reader raises MalformedMessage.

    A field that is absent or null takes the default; without a default it is required.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise MalformedMessage(f"{where} is not a JSON object")
        self._values: dict[str, object] = value
        self._where = where

    def text(
        self,
        name: str,
        *,
        limit: int,
        default: str | None = None,
        pattern: re.Pattern[str] | None = None,
    ) -> str:
        """Return a string of at most ``limit`` characters that matches ``pattern`` whole."""
        return self._checked_text(name, self._get(name, default), limit, pattern)

    def texts(self, name: str, *, count: int, limit: int) -> tuple[str, ...]:
        """Return at most ``count`` strings; an absent field is an empty list."""
        return tuple(
            self._checked_text(name, value, limit, None) for value in self._list(name, count)
        )

    def integer(self, name: str, *, low: int, high: int, default: int | None = None) -> int:
        """Return an integer from ``low`` to ``high``."""
        value = self._get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(name, f"an integer from {low} to {high}")
        return value

    def one_of(self, name: str, choices: tuple[int, ...], *, default: int) -> int:
        """Return one of some integers, in rising order."""
        value = self.integer(name, low=choices[0], high=choices[-1], default=default)
        if value not in choices:
            raise self._wrong(name, f"one of {', '.join(map(str, choices))}")
        return value

    def optional_integer(self, name: str, *, low: int, high: int) -> int | None:
        """Return an integer from ``low`` to ``high``, or None if the field is absent."""
        if self._values.get(name) is None:
            return None
        return self.integer(name, low=low, high=high)

    def optional_number(self, name: str, *, low: float, high: float) -> float | None:
        """Return a number from ``low`` to ``high``, or None if the field is absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            # Compared as it is: no float is as large as an integer of 310 digits. NaN fails too.
            or not low <= value <= high
        ):
            raise self._wrong(name, f"a number from {low:g} to {high:g}")
        return float(value)

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def nested(self, name: str) -> Fields | None:
        """Return the fields of a nested object, or None if the field is absent."""
        value = self._values.get(name)
        return None if value is None else Fields(value, name)

    def nested_list(self, name: str, *, count: int) -> tuple[Fields, ...]:
        """Return at most ``count`` nested objects; an absent field is an empty list."""
        return tuple(Fields(value, name) for value in self._list(name, count))

    def _get(self, name: str, default: object) -> object:
        value = self._values.get(name)
        if value is None:
            value = default
        if value is None:
            raise MalformedMessage(f"{self._where} lacks {name}")
        return value

    def _list(self, name: str, count: int) -> Sequence[object]:
        value = self._values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > count:
            raise self._wrong(name, f"a list of at most {count}")
        return value

    def _checked_text(
        self, name: str, value: object, limit: int, pattern: re.Pattern[str] | None
    ) -> str:
        if not isinstance(value, str) or len(value) > limit or not _is_encodable(value):
            raise self._wrong(name, f"text of at most {limit} characters")
        if pattern is not None and pattern.fullmatch(value) is None:
            raise self._wrong(name, f"text like {pattern.pattern}")
        return value

    def _wrong(self, name: str, expected: str) -> MalformedMessage:
        return MalformedMessage(f"{name} in {self._where} is not {expected}")


def _is_encodable(text: str) -> bool:
    # Nearly every text is ASCII: to look at each character of an SDP costs 200 microseconds.
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        # Which of two equal keys counts differs between languages: nobody may choose.
        raise MalformedMessage("the body holds a key twice")
    return values


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
