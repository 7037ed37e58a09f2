"""Read a YAML file as a frozen dataclass, or report every mistake with its place.

It must not know any particular configuration: the dataclasses carry keys, types, ranges, defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import yaml

from mqcam import files
from mqcam.config.decoder import Decoder
from mqcam.config.tree import parse
from mqcam.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def load(path: Path | str, type_: type[T]) -> T:
    """Read the YAML file at ``path`` as ``type_``; raise ConfigError with all of its problems."""
    file = str(path)
    try:
        content = files.read_bounded(path)
    except OSError as error:
        raise _whole_file(file, files.reason(error)) from error
    return decode(content, type_, file=file)


def decode(content: bytes | str, type_: type[T], *, file: str) -> T:
    """Decode YAML as ``type_``; raise ConfigError, which calls the text ``file``."""
    text = _utf8(content, file) if isinstance(content, bytes) else content
    node = parse(text, file=file)
    if node is None:
        raise _whole_file(file, "is empty")
    decoder = Decoder(file, type_)
    value = decoder.section(node, type_, "")
    if decoder.problems:
        raise ConfigError(sorted(decoder.problems, key=lambda each: (each.line, each.column)))
    return cast("T", value)


def top_keys(path: Path | str) -> frozenset[str]:
    """Return the keys at the top of a YAML file, none if it has none or cannot be read.

    They tell a file that lies in the wrong place, before anything else is judged about it.
    """
    file = str(path)
    try:
        node = parse(_utf8(files.read_bounded(path), file), file=file)
    except (OSError, ConfigError):
        return frozenset()
    if not isinstance(node, yaml.MappingNode):
        return frozenset()
    return frozenset(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))


def _utf8(content: bytes, file: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        message = "is not UTF-8 text; save the file as UTF-8"
        problem = Problem(file=file, line=line, column=column, message=message)
        raise ConfigError([problem]) from error


def _whole_file(file: str, message: str) -> ConfigError:
    return ConfigError([Problem(file=file, message=message)])
