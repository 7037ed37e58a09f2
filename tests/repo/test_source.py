"""The house style that no linter knows (CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest
from support.tree import ROOT, SOURCE_FOLDERS, name_of, source_modules, text_of, tracked
from support.tree import tracked_files as all_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST_LINES = 400
UNFINISHED = re.compile(r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX"]) + r")\b")
PLACES = re.compile(
    # Written in halves, so that this file passes its own test.
    r"(?<![\w.])(?:/wo"
    r"rk/|/ro"
    r"ot/|/opt/py"
    r"pi|/tmp/m"
    r"q/)"
    r"|\bpy"
    r"pi\.org|pythonhos"
    r"ted\.org|deb\.deb"
    r"ian\.org|npm"
    r"js\.org|pi"
    r"wheels\.org"
)
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}

TESTS_OF_MORE_THAN_A_MODULE = {
    "tests/unit/mqcam/protocol/test_page.py",  # docs/protocol.md
    "tests/unit/mqcam/protocol/test_pair.py",  # both endpoints against each other
    "tests/unit/mqcam/protocol/test_queue.py",
    "tests/unit/mqcam/protocol/test_remote_candidates.py",
    "tests/unit/mqcam/protocol/test_tables.py",  # every bounded table
    "tests/unit/mqcam/protocol/test_timers.py",  # deadlines and back-off
    "tests/unit/mqcam/protocol/test_vectors.py",  # tests/vectors/
}
"""Unit tests that belong to no single module: keep this short."""


def offenders(files: list[Path], is_bad: Callable[[Path], bool]) -> list[str]:
    """Name the files that break a rule."""
    return [name_of(path) for path in files if is_bad(path)]


def docstring_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def test_nothing_is_left_unfinished() -> None:
    def is_unfinished(path: Path) -> bool:
        return UNFINISHED.search(text_of(path) or "") is not None

    assert offenders(list(all_files()), is_unfinished) == []


def test_no_file_names_a_place_on_a_machine_or_a_registry() -> None:
    assert offenders(list(all_files()), lambda p: bool(PLACES.search(text_of(p) or ""))) == []


def test_a_page_that_a_file_names_exists() -> None:
    pages = {path.name for path in tracked(".md")}

    def names_no_page(path: Path) -> bool:
        named = re.findall(r"[\w-]+\.md\b", path.read_text(encoding="utf-8"))
        return not pages.issuperset(named)

    assert offenders(tracked(".py"), names_no_page) == []


def test_a_long_file_says_why_it_is_long() -> None:
    def is_too_long(path: Path) -> bool:
        lines = path.read_text(encoding="utf-8").count("\n")
        return lines > LONGEST_LINES and "long because" not in docstring_of(path).replace("\n", " ")

    assert offenders(tracked(".py"), is_too_long) == []


def test_every_module_says_what_it_is_for() -> None:
    assert offenders(source_modules(), lambda path: not docstring_of(path)) == []


def test_every_module_says_what_it_must_not_know() -> None:
    """Packages and entry points only gather; every other module has a border."""

    def has_no_border(path: Path) -> bool:
        gathers = path.name in {"__init__.py", "__main__.py"}
        return not gathers and not re.search(r"must\s+(?:not|never|know)\b", docstring_of(path))

    assert offenders(source_modules(), has_no_border) == []


def test_names_say_what_is_inside() -> None:
    assert offenders(tracked(".py"), lambda path: path.stem in VAGUE) == []


def test_only_packages_declare_what_is_public() -> None:
    def declares(path: Path) -> bool:
        return path.name != "__init__.py" and "\n__all__" in path.read_text(encoding="utf-8")

    assert offenders(source_modules(), declares) == []


def test_remote_input_meets_no_assertion() -> None:
    """An assert disappears under -O and turns a stranger's message into a crash."""

    def asserts(path: Path) -> bool:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return any(isinstance(node, ast.Assert) for node in ast.walk(tree))

    assert offenders(source_modules(), asserts) == []


def test_a_skip_gives_its_reason() -> None:
    def skips_silently(path: Path) -> bool:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_mark = isinstance(node, ast.Attribute) and node.attr in {"skip", "skipif", "xfail"}
            if is_mark and not reason_given(path, node):
                return True
        return False

    assert offenders(tracked(".py", under="tests"), skips_silently) == []


def reason_given(path: Path, mark: ast.AST) -> bool:
    """Tell whether the call around a mark, if it is one, names a reason."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.dump(node.func) == ast.dump(mark):
            is_plain = isinstance(node.func, ast.Attribute) and node.func.attr == "skip"
            if any(keyword.arg == "reason" for keyword in node.keywords):
                return True
            return is_plain and bool(node.args)
    return False


@pytest.mark.parametrize("package", SOURCE_FOLDERS)
def test_a_unit_test_is_named_after_its_module(package: str) -> None:
    """tests/unit/PACKAGE/[SUBPACKAGE/]test_NOUN[_ASPECT].py is the test of NOUN."""
    folder = ROOT / "tests/unit" / package
    sources = tracked(".py", under=str(SOURCE_FOLDERS[package]))
    nouns = {path.stem for path in sources} | {path.parent.name for path in sources}
    strays = []
    for test in tracked(".py", under=str(folder)):
        if not test.name.startswith("test_") or name_of(test) in TESTS_OF_MORE_THAN_A_MODULE:
            continue
        words = test.stem.removeprefix("test_").split("_")
        if not any("_".join(words[:count]) in nouns for count in range(1, len(words) + 1)):
            strays.append(name_of(test))
    assert strays == []


def test_unit_tests_belong_to_a_package() -> None:
    known = [ROOT / "tests/unit" / package for package in SOURCE_FOLDERS]
    strays = [
        name_of(path)
        for path in tracked(".py", under="tests/unit")
        if path.name.startswith("test_") and not any(path.is_relative_to(f) for f in known)
    ]
    assert strays == []
