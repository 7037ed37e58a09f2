"""Turn YAML text into a node tree with positions, and every YAML mistake into a ConfigError.

It must not know what the keys mean; it bounds depth and refuses aliases, so the tree stays small.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NoReturn, cast

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from mqcam.errors import ConfigError, Problem

if TYPE_CHECKING:
    from yaml.error import Mark

MAX_DEPTH = 16


def parse(text: str, *, file: str) -> yaml.Node | None:
    """Return the tree of the one YAML document in ``text``, None if it is empty."""
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        column = error.position - before.rfind("\n")
        _fail(file, line, column, "holds a control character that YAML does not allow")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        _fail(file, *_place(mark), _sentence(error, text, mark))
    except (ValueError, OverflowError):
        # PyYAML lets these through: an escape beyond Unicode, a version with 5,000 digits.
        mark = loader.get_mark() if loader else None
        _fail(file, *_place(mark), "holds an escape or a number that YAML cannot represent")
    finally:
        if loader is not None:
            loader.dispose()


class _Loader(yaml.SafeLoader):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            # Aliases of aliases grow without bound and can contain themselves; nobody needs them.
            text = (
                "aliases are not used here; write the value out, or in quotes if it begins with *"
            )
            raise _refusal(text, event)
        if self._depth >= MAX_DEPTH:
            text = f"is nested deeper than {MAX_DEPTH} levels"
            raise _refusal(text, event)
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def _refusal(text: str, event: yaml.Event) -> ComposerError:
    return ComposerError(None, None, text, cast("Mark", event.start_mark))


def _fail(file: str, line: int, column: int, message: str) -> NoReturn:
    problem = Problem(file=file, line=line, column=column, key="(YAML)", message=message)
    raise ConfigError([problem])


def _place(mark: Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _sentence(error: yaml.MarkedYAMLError, text: str, mark: Mark | None) -> str:
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "the line is indented with a tab; YAML wants spaces"
    # What stands between quotes may be a piece of a password that was not quoted.
    problem = re.sub(r"'[^']{3,}'", "'...'", error.problem or "is not valid YAML")
    hints = {
        "mapping values are not allowed here": "; a value that contains ': ' needs quotes",
        "could not find expected ':'": "; is a ':' missing after a key?",
        "but found another document": "; one file holds one document",
        "expected <block end>, but found": "; does the indentation fit the lines above?",
    }
    return problem + next((hint for start, hint in hints.items() if problem.startswith(start)), "")
