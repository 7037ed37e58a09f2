"""Draw the parts of docs/protocol.md that are facts of the code: states, timers, bounds, codes.

``draw_protocol.py`` rewrites them, ``draw_protocol.py --check`` exits 1 if they are out of date.
It must not know why a fact is as it is: the prose around the drawings does.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.protocol import deadlines, limits
from mqcam.protocol.codes import Code, sentence
from mqcam.protocol.roles import DEVICE, VIEWER, Role, State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PAGE = Path(__file__).resolve().parents[1] / "docs" / "protocol.md"
_MARKED = re.compile(r"(<!-- drawn: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def drawings() -> dict[str, str]:
    """Return every drawing by its name."""
    return {
        "device-states": draw_role(DEVICE),
        "viewer-states": draw_role(VIEWER),
        "deadlines": draw_fields(deadlines, deadlines.Deadlines()),
        "limits": draw_fields(limits, limits.Limits()),
        "codes": draw_codes(),
    }


def redraw(page: str) -> str:
    """Return ``page`` with every marked part drawn anew."""
    parts = drawings()
    return _MARKED.sub(lambda marked: marked[1] + parts[marked["name"]] + marked[3], page)


def draw_role(role: Role) -> str:
    """Return a state diagram and the table of every transition."""
    return "\n".join(
        [
            "```mermaid",
            "stateDiagram-v2",
            *_arrows(role),
            "```",
            "",
            "| state | event | next | done, in this order |",
            "| --- | --- | --- | --- |",
            *_rows(role),
            "",
            "| state | ends after | code |",
            "| --- | --- | --- |",
            *(
                f"| {state.value} | `{timer.field}` | `{timer.code}` |"
                for state, timer in role.timers.items()
            ),
            "",
        ]
    )


def draw_fields(module: ModuleType, value: deadlines.Deadlines | limits.Limits) -> str:
    """Return a table of the fields of a value with their defaults and their docstrings."""
    meanings = dict(_meanings(module))
    rows = [
        f"| `{field.name}` | {_number(getattr(value, field.name))} | {meanings[field.name]} |"
        for field in fields(value)
    ]
    return "\n".join(["| name | value | meaning |", "| --- | --- | --- |", *rows, ""])


def draw_codes() -> str:
    """Return a table of every code that this implementation sends or reports."""
    rows = [f"| `{code}` | {sentence(code)} |" for code in Code]
    return "\n".join(["| code | sentence |", "| --- | --- |", *rows, ""])


def main() -> int:
    """Rewrite the page, or check it."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = redraw(page)
    if fresh == page:
        return 0
    if "--check" in sys.argv[1:]:
        print("docs/protocol.md is out of date: run scripts/draw_protocol.py", file=sys.stderr)
        return 1
    PAGE.write_text(fresh, encoding="utf-8")
    print("docs/protocol.md: drawn anew")
    return 0


def _arrows(role: Role) -> Iterator[str]:
    for (state, event), transition in role.transitions.items():
        if transition.target is state:
            continue
        source = "[*]" if state is State.NEW else state.value
        target = "[*]" if transition.target is State.ENDED else transition.target.value
        yield f"    {source} --> {target}: {event.value}"


def _rows(role: Role) -> Iterator[str]:
    order = list(State)
    listed = sorted(role.transitions.items(), key=lambda item: order.index(item[0][0]))
    for (state, event), transition in listed:
        done = ", ".join(action.value for action in transition.actions) or "nothing"
        yield f"| {state.value} | {event.value} | {transition.target.value} | {done} |"


def _meanings(module: ModuleType) -> Iterator[tuple[str, str]]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef):
            continue
        for field, below in zip(statement.body, statement.body[1:], strict=False):
            if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                yield field.target.id, " ".join(str(below.value.value).split())


def _number(value: float | tuple[float, ...]) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{part:g}" for part in value)
    return f"{value:g}"


if __name__ == "__main__":
    sys.exit(main())
