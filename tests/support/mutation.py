"""Real messages made wrong: bytes, JSON bodies and topics, each by one small random change.

It must not know what a receiver does with them. All chance comes from the `Random` that is given.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

DEEP = 3000
"""Deeper than Python's recursion goes."""

ODD_VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1,
    2,
    2**31,
    2**53,
    2**63,
    2**64 + 1,
    10**400,
    -(10**30),
    0.5,
    1e308,
    "",
    "x",
    "\x00",
    "\n\r\x1b[31m",
    "\u202e",
    "\ud800",
    "🎥" * 60,
    "a" * 5000,
    "../../..",
    "ed25519:" + "A" * 43,
    "x25519:" + "A" * 43,
    [],
    {},
    [None],
    [[[[]]]],
    {"v": {"v": {}}},
    ["x"] * 200,
    [{}] * 40,
    {"t": "offer"},
)
KINDS = ("status", "offer", "answer", "cand", "bye", "error", "pair", "paired", "gone", "hello")
WORDS = ("stale-nonce", "unauthorized", "busy", "closed", "online", "offline", "revoked")
NUMBERS = (
    b"1e999",
    b"-0",
    b"9" * 400,
    b"-" + b"9" * 400,
    b"9" * 5000,
    b"NaN",
    b"Infinity",
    b"1.0",
    b"0x10",
    b"01",
)


def change_bytes(random: Random, data: bytes, other: bytes) -> bytes:
    """Return ``data`` with one thing wrong; ``other`` is what it may be spliced with."""
    change = random.choice(_BYTE_CHANGES)
    return change(random, data, other)


def change_body(random: Random, body: bytes, other: bytes) -> bytes:
    """Return a JSON body with one thing wrong, most often in one of its values."""
    if random.random() < 0.25:
        return change_bytes(random, body, other)
    try:
        values = json.loads(body)
    except ValueError:
        return change_bytes(random, body, other)
    if not isinstance(values, dict):
        return change_bytes(random, body, other)
    return random.choice(_BODY_CHANGES)(random, values)


def change_topic(random: Random, topic: str, names: tuple[str, ...]) -> str:
    """Return a topic that differs in one level, or in their number."""
    levels = topic.split("/")
    at = random.randrange(len(levels))
    match random.randrange(6):
        case 0:
            del levels[at]
        case 1:
            levels.insert(at, random.choice(names))
        case 2:
            levels[at] = random.choice(("", "+", "#", " ", "ä", "x" * 65, "\x00", "$share"))
        case 3:
            levels.reverse()
        case _:
            levels[at] = random.choice(names)
    return "/".join(levels)


def _flip(random: Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)]


def _behead(random: Random, data: bytes, other: bytes) -> bytes:
    return data[random.randrange(len(data) + 1) :]


def _splice(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: random.randrange(len(data) + 1)] + other[random.randrange(len(other) + 1) :]


def _repeat(random: Random, data: bytes, other: bytes) -> bytes:
    begin = random.randrange(len(data) + 1)
    part = data[begin : begin + random.choice((1, 2, 16, 200))]
    return data[:begin] + part * random.choice((2, 3, 100)) + data[begin:]


def _insert(random: Random, data: bytes, other: bytes) -> bytes:
    at = random.randrange(len(data) + 1)
    return data[:at] + random.randbytes(random.choice((1, 4, 32, 500))) + data[at:]


def _grow(random: Random, data: bytes, other: bytes) -> bytes:
    return data + other * random.choice((1, 5, 20))


def _set(random: Random, values: dict[str, Any]) -> bytes:
    place, key = _somewhere(random, values)
    place[key] = random.choice(ODD_VALUES)
    return _written(values)


def _drop(random: Random, values: dict[str, Any]) -> bytes:
    place, key = _somewhere(random, values)
    del place[key]
    return _written(values)


def _nudge(random: Random, values: dict[str, Any]) -> bytes:
    """Change one value a little, so that it most often stays possible."""
    place, key = _somewhere(random, values)
    old = place[key]
    if isinstance(old, bool):
        place[key] = not old
    elif isinstance(old, int | float):
        place[key] = old + random.choice((-1, 1, 1, 7, 1000))
    elif isinstance(old, str):
        place[key] = random.choice((old[:-1], old + "A", old.swapcase(), old[::-1]))
    elif isinstance(old, list):
        place[key] = random.choice((old[:-1], old * 2, old[::-1]))
    return _written(values)


def _other_kind(random: Random, values: dict[str, Any]) -> bytes:
    values["t"] = random.choice(KINDS)
    return _written(values)


def _word(random: Random, values: dict[str, Any]) -> bytes:
    key = random.choice(("code", "reason", "state", "n", "re", "nonce", "replaces", "text"))
    values[key] = random.randrange(4) if key == "n" else random.choice(WORDS)
    return _written(values)


def _unknown(random: Random, values: dict[str, Any]) -> bytes:
    for number in range(random.choice((1, 3, 100))):
        values[f"later-{number}"] = random.choice(ODD_VALUES)
    return _written(values)


def _twice(random: Random, values: dict[str, Any]) -> bytes:
    key = random.choice(list(values) or ["v"])
    again = json.dumps({key: random.choice(ODD_VALUES)})[1:-1].encode("utf-8", "surrogatepass")
    return _written(values)[:-1] + b"," + again + b"}"


def _deep(random: Random, values: dict[str, Any]) -> bytes:
    key = random.choice(list(values) or ["v"])
    opening, closing = random.choice(((b"[", b"]"), (b'{"v":', b"}")))
    values[key] = "deep"
    return _written(values).replace(b'"deep"', opening * DEEP + b"1" + closing * DEEP)


def _number(random: Random, values: dict[str, Any]) -> bytes:
    """Write a number as no writer of ours would, also where only few bodies have one."""
    place, key = random.choice(list(_numbers(values)) or [(values, "v")])
    place[key] = "number"
    return _written(values).replace(b'"number"', random.choice(NUMBERS))


def _numbers(place: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each object or list inside ``place`` that holds a number, and its key there."""
    for key, inner in place.items() if isinstance(place, dict) else enumerate(place):
        if isinstance(inner, dict | list):
            yield from _numbers(inner)
        elif isinstance(inner, int | float) and not isinstance(inner, bool):
            yield place, key


def _somewhere(random: Random, values: dict[str, Any]) -> tuple[Any, Any]:
    """Return an object or list inside ``values`` and one of its keys."""
    values.setdefault("v", 1)
    place: Any = values
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = random.choice(keys)
        inner = place[key]
        if isinstance(inner, dict | list) and inner and random.random() < 0.7:
            place = inner
            continue
        return place, key


def _written(values: dict[str, Any]) -> bytes:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )


_BYTE_CHANGES: tuple[Callable[[Random, bytes, bytes], bytes], ...] = (
    _flip,
    _flip,
    _truncate,
    _behead,
    _splice,
    _repeat,
    _insert,
    _grow,
)
_BODY_CHANGES: tuple[Callable[[Random, dict[str, Any]], bytes], ...] = (
    _set,
    _set,
    _drop,
    _nudge,
    _nudge,
    _nudge,
    _other_kind,
    _word,
    _unknown,
    _twice,
    _deep,
    _number,
    _number,
)
