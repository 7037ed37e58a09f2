"""Decode a YAML node tree along a dataclass, noting every mistake instead of stopping at one.

It must not know files: ``reading`` reads them and raises what is collected here.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints

import yaml

from mqcam.config.annotations import (
    REQUIRED,
    Checked,
    Matches,
    Range,
    Secret,
    default_of,
    is_section,
    variants,
)
from mqcam.errors import Problem

_BAD: Final = object()
_MAX_PROBLEMS = 100  # more help nobody, and comparing a hostile file's keys must stay cheap
_MAX_SHOWN = 40
_UNQUOTED = {f"tag:yaml.org,2002:{name}" for name in ("float", "int")}

Rules = tuple[object, ...]


class Decoder:
    """Walks the node tree of ``file`` along the dataclass ``root`` and collects problems."""

    def __init__(self, file: str, root: type) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._homes = _homes(root)

    def section(self, node: yaml.Node, type_: type[Any], path: str) -> object:
        """Decode a mapping as the dataclass ``type_``; return a marker after noting problems."""
        if _is_null(node):  # `video:` with every key below it commented out
            node = yaml.MappingNode(node.tag, [], node.start_mark, node.end_mark)
        if not isinstance(node, yaml.MappingNode):
            return self._note(node, path, f"expected keys with values, got {_shown(node)}")
        noted = len(self.problems)
        hints = get_type_hints(type_, include_extras=True)
        entries = self._entries(node, path, list(hints))
        values = {
            name: self._value(each, hints[name], _join(path, name))
            for name, each in entries.items()
        }
        for field in dataclasses.fields(type_):
            if field.name not in entries and default_of(field) is REQUIRED:
                self._note(node, _join(path, field.name), "is missing and has no default")
        if len(self.problems) > noted:
            return _BAD
        made = type_(**values)
        for key, message in made.mistakes() if isinstance(made, Checked) else ():
            self._note(entries.get(key, node), _join(path, key), message)
        return made

    def _entries(self, node: yaml.MappingNode, path: str, known: list[str]) -> dict[str, yaml.Node]:
        entries: dict[str, yaml.Node] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(key_node, path, f"expected a key, got {_shown(key_node)}")
                continue
            key = key_node.value
            if key not in known:
                self._note(key_node, _join(path, _clean(key)), self._unknown(key, path, known))
            elif key in lines:
                message = f"is written twice (first in line {lines[key]})"
                self._note(key_node, _join(path, key), message)
            else:
                entries[key] = value_node
                lines[key] = key_node.start_mark.line + 1
        return entries

    def _unknown(self, key: str, path: str, known: list[str]) -> str:
        if len(self.problems) < _MAX_PROBLEMS and len(key) <= _MAX_SHOWN:
            elsewhere = [home for home in self._homes.get(key, ()) if home != path]
            if elsewhere:
                places = " or ".join(f"below '{home}'" if home else "at top" for home in elsewhere)
                return f"does not belong here but {places}"
            if key in self._homes:
                return f"belongs to another kind; known here: {', '.join(known)}"
            if close := difflib.get_close_matches(key, known, n=1):
                return f"unknown key; did you mean '{close[0]}'?"
            close = difflib.get_close_matches(key, self._homes, n=1)
            if close:
                return f"unknown key; did you mean '{_join(self._homes[close[0]][0], close[0])}'?"
        return f"unknown key; known here: {', '.join(known)}"

    def _value(self, node: yaml.Node, hint: Any, path: str, rules: Rules = ()) -> object:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin is Annotated:
            return self._value(node, arguments[0], path, (*rules, *arguments[1:]))
        if origin in {typing.Union, types.UnionType}:
            return self._union(node, hint, path, rules)
        if origin is tuple:
            return self._list(node, arguments[0], path, rules)
        if is_section(hint):
            return self.section(node, hint, path)
        shown = "a secret" if any(isinstance(rule, Secret) for rule in rules) else _shown(node)
        try:
            value = _scalar(node, hint, rules)
            _check(value, rules)
        except ValueError as error:
            return self._note(node, path, f"{error}, got {shown}")
        return value

    def _union(self, node: yaml.Node, hint: Any, path: str, rules: Rules) -> object:
        others = [each for each in typing.get_args(hint) if each is not types.NoneType]
        if len(others) < len(typing.get_args(hint)) and _is_null(node):
            return None
        if len(others) == 1:
            return self._value(node, others[0], path, rules)
        return self._tagged(node, variants(hint), path)

    def _tagged(self, node: yaml.Node, choices: tuple[type, ...], path: str) -> object:
        tag, by_name = _tag(choices)
        if not isinstance(node, yaml.MappingNode):
            return self._note(node, path, f"expected keys with values, got {_shown(node)}")
        named = [value for key, value in node.value if key.value == tag]
        if not named:
            return self._note(node, _join(path, tag), f"is missing; {_one_of(by_name)}")
        chosen = by_name.get(named[0].value) if isinstance(named[0], yaml.ScalarNode) else None
        if chosen is None:
            message = f"{_one_of(by_name, named[0].value)}, got {_shown(named[0])}"
            return self._note(named[0], _join(path, tag), message)
        return self.section(node, chosen, path)

    def _list(self, node: yaml.Node, hint: Any, path: str, rules: Rules) -> object:
        if not isinstance(node, yaml.SequenceNode):
            return self._note(node, path, f"expected a list such as [a, b], got {_shown(node)}")
        for rule in rules:
            if isinstance(rule, Range) and not rule.low <= len(node.value) <= rule.high:
                return self._note(node, path, f"expected {rule}, got {len(node.value)}")
        values = [
            self._value(each, hint, f"{path}[{index}]") for index, each in enumerate(node.value)
        ]
        return _BAD if any(value is _BAD for value in values) else tuple(values)

    def _note(self, node: yaml.Node, path: str, message: str) -> object:
        mark = node.start_mark
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.append(
                Problem(
                    file=self._file,
                    line=mark.line + 1,
                    column=mark.column + 1,
                    key=path,
                    message=message,
                )
            )
        return _BAD


def _scalar(node: yaml.Node, hint: Any, rules: Rules) -> object:
    """Decode one value; raise ValueError with what was expected."""
    if typing.get_origin(hint) is Literal:
        return _choice(node, {str(each): each for each in typing.get_args(hint)})
    if issubclass(hint, Enum):
        return _choice(node, {str(each.value): each for each in hint})
    if hint is bool:
        return _boolean(node)
    if issubclass(hint, int | float):
        return _number(node, hint, rules)
    text = _text(node, {str: "a text", Path: "a path"}.get(hint, "a text"))
    return hint.from_text(text) if hasattr(hint, "from_text") else hint(text)


def _choice(node: yaml.Node, choices: dict[str, object]) -> object:
    # By the written text, not by YAML's idea of it: a choice called `off` needs no quotes.
    if isinstance(node, yaml.ScalarNode) and node.value in choices:
        return choices[node.value]
    raise ValueError(_one_of(choices, node.value))


def _boolean(node: yaml.Node) -> bool:
    if not isinstance(node, yaml.ScalarNode) or node.tag != "tag:yaml.org,2002:bool":
        raise ValueError("expected true or false")
    return node.value.lower() in {"true", "yes", "on"}


def _number(node: yaml.Node, type_: type[float], rules: Rules) -> float:
    unit = next((f" of {rule.unit}" for rule in rules if isinstance(rule, Range) and rule.unit), "")
    expected = f"expected a {'whole ' if type_ is int else ''}number{unit}"
    # Not YAML 1.1's own numbers: there 010 is 8 and 1:30 is 90.
    whole, fraction = r"[+-]?(0|[1-9][0-9_]{0,18})", r"(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,3})?"
    pattern = whole if type_ is int else whole + fraction
    if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(pattern, node.value):
        raise ValueError(expected)
    if node.style is not None:
        raise ValueError(f"{expected} without quotes")
    number = type_(node.value.replace("_", ""))
    if not math.isfinite(number):
        raise ValueError(expected)
    return number


def _text(node: yaml.Node, expected: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or _is_null(node):
        raise ValueError(f"expected {expected}")
    if node.tag != "tag:yaml.org,2002:str":
        raise ValueError(f"expected {expected}; put it in quotes")
    if not node.value:
        raise ValueError(f"expected {expected}")
    if "\0" in node.value or any("\ud800" <= letter <= "\udfff" for letter in node.value):
        raise ValueError(f"expected {expected} without NUL or half characters")
    return str(node.value)


def _check(value: object, rules: Rules) -> None:
    for rule in rules:
        if isinstance(rule, Range) and isinstance(value, int | float):
            if not rule.low <= value <= rule.high:
                raise ValueError(f"out of range, expected {rule}")
        elif isinstance(rule, Matches) and not re.fullmatch(rule.pattern, str(value)):
            raise ValueError(f"expected {rule.description}")


def _one_of(choices: dict[str, Any], written: object = None) -> str:
    text = f"expected one of {', '.join(choices)}"
    close = difflib.get_close_matches(written.lower(), choices, n=1) if _is_short(written) else []
    return f"{text} (did you mean '{close[0]}'?)" if close else text


def _is_short(written: object) -> typing.TypeGuard[str]:
    return isinstance(written, str) and len(written) <= _MAX_SHOWN


def _tag(choices: tuple[type, ...]) -> tuple[str, dict[str, type]]:
    """Return the key that tells variants apart and the variant of each of its values."""
    hints = get_type_hints(choices[0])
    tag = next(name for name, hint in hints.items() if typing.get_origin(hint) is Literal)
    by_name = {typing.get_args(get_type_hints(each)[tag])[0]: each for each in choices}
    return tag, by_name


def _homes(root: type, path: str = "") -> dict[str, list[str]]:
    """Return for every key of the whole file the sections it belongs to."""
    homes: dict[str, list[str]] = {}
    for name, hint in get_type_hints(root).items():
        homes.setdefault(name, []).append(path)
        for section in variants(hint):
            for key, places in _homes(section, _join(path, name)).items():
                known = homes.setdefault(key, [])
                known.extend(place for place in places if place not in known)
    return homes


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    if isinstance(node, yaml.MappingNode):
        return "keys with values"
    if _is_null(node):
        return "nothing"
    if isinstance(node, yaml.ScalarNode) and node.tag in _UNQUOTED and node.style is None:
        return _clean(node.value)
    quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
    return f"the text '{_clean(node.value)}'" if quoted else f"'{_clean(node.value)}'"


def _clean(text: str) -> str:
    short = text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 3] + "..."
    return short if short.isprintable() else ascii(short)[1:-1]


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null") and isinstance(node, yaml.ScalarNode)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
