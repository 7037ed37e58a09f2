"""Which fields of the wire a body carries with something in them: what a fuzzer can make wrong.

It must not know how bodies are made or changed.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from mqcam.protocol import messages
from mqcam.protocol.messages import (
    Answer,
    Bye,
    Candidates,
    Error,
    Offer,
    Pair,
    Paired,
    Status,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED: dict[str, type] = {
    "status": Status,
    "offer": Offer,
    "answer": Answer,
    "cand": Candidates,
    "bye": Bye,
    "error": Error,
    "pair": Pair,
    "paired": Paired,
}
EMPTY: tuple[object, ...] = (None, "", [], {})


def carried(body: bytes) -> frozenset[str]:
    """Return the fields of a body that hold something, as ``offer.want.fps``."""
    values = json.loads(body)
    return frozenset(f"{values['t']}.{path}" for path in _filled(values) if path != "t")


def every_field() -> frozenset[str]:
    """Return the fields of all messages that are signed."""
    return frozenset(f"{name}.{path}" for name, kind in SIGNED.items() for path in _fields_of(kind))


def _filled(values: dict[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict):
            yield from (f"{name}.{path}" for path in _filled(inner))
        elif value not in EMPTY:
            yield name


def _fields_of(kind: type) -> Iterator[str]:
    hints = get_type_hints(kind, vars(messages))
    for each in fields(kind):
        inner = _dataclass_in(hints[each.name])
        if inner is None:
            yield each.name
        else:
            yield from (f"{each.name}.{path}" for path in _fields_of(inner))


def _dataclass_in(hint: object) -> type | None:
    """Return the class of values that a field holds: as such, in a tuple, or beside None."""
    choices = (hint, *get_args(hint))
    return next((each for each in choices if isinstance(each, type) and is_dataclass(each)), None)
