"""Our source uses of picamera2 what it declares, and picamera2 has it: today's and the newest."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from mqcam_device.sources.picamera.names import PICAMERA2_NAMES, CameraName
from support.picamera import PICAMERA2
from support.sdist import Sdist, given_to_self, names_of_body
from support.tree import name_of, tracked

if TYPE_CHECKING:
    from pathlib import Path

SOURCES = [
    path
    for path in tracked(".py", under="device/mqcam_device/sources/picamera")
    if path.name not in {"__init__.py", "names.py"}
]
LACKS_KEYFRAMES = ("0.3.25", "0.3.27", "0.3.31")
"""The last that we refuse, the first and the last that we ask for keyframes in another way."""
HAS_KEYFRAMES = ("0.3.32",)
NOT_PICAMERA2: frozenset[str] = frozenset(
    {"ERROR", "camera", "cancel", "encode", "height", "name", "output", "wait", "width"}
)
"""Attributes in our source that only happen to be called like one of picamera2's."""


@functools.cache
def pinned() -> Sdist:
    """Read the picamera2 that the tests run with."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    return Sdist.installed("picamera2", PICAMERA2)


def fetch(folder: Path, version: str = "") -> Sdist:
    """Fetch a version of picamera2 from the machine's index, the newest if none is named."""
    wanted = f"picamera2=={version}" if version else "picamera2"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
    options = [str(folder), "--no-binary", "picamera2", "--no-build-isolation", "--retries", "1"]
    done = subprocess.run(
        [*command, *options, wanted], capture_output=True, text=True, timeout=50, check=False
    )
    archives = list(folder.glob("picamera2-*.tar.gz"))
    if done.returncode or not archives:
        pytest.skip(f"needs a package index: {wanted} could not be fetched")
    return Sdist.of_archive(archives[0])


def problems(sdist: Sdist, names: tuple[CameraName, ...]) -> list[str]:
    """Say what a version lacks of what it should have."""
    return [problem for name in names if (problem := sdist.problem(name))]


def expected_of(sdist: Sdist) -> tuple[CameraName, ...]:
    """Return the names that a version must have: those that came later are done without."""
    return tuple(name for name in PICAMERA2_NAMES if name.since <= sdist.version)


def test_the_picamera2_of_the_tests_has_every_name_that_we_use() -> None:
    assert expected_of(pinned()) == PICAMERA2_NAMES
    assert problems(pinned(), PICAMERA2_NAMES) == []


@pytest.mark.long
def test_the_newest_picamera2_has_every_name_that_we_use(tmp_path: Path) -> None:
    newest = fetch(tmp_path)
    assert newest.version >= pinned().version
    assert problems(newest, PICAMERA2_NAMES) == []


@pytest.mark.long
@pytest.mark.parametrize("version", LACKS_KEYFRAMES)
def test_an_old_picamera2_has_all_but_keyframes_on_demand(version: str, tmp_path: Path) -> None:
    old = fetch(tmp_path, version)
    assert old.text == version
    assert problems(old, expected_of(old)) == []
    assert "no H264Encoder.force_key_frame()" in problems(old, PICAMERA2_NAMES)


@pytest.mark.long
@pytest.mark.parametrize("version", HAS_KEYFRAMES)
def test_keyframes_on_demand_came_with_the_version_we_say(version: str, tmp_path: Path) -> None:
    assert problems(fetch(tmp_path, version), PICAMERA2_NAMES) == []


def vocabulary() -> set[str]:
    """Return all that instances of picamera2's classes have, of the modules that we use."""
    modules = {name.module for name in PICAMERA2_NAMES}
    classes = {
        node.name
        for module in modules
        for node in pinned().modules[module].body
        if isinstance(node, ast.ClassDef)
    }
    return {each for class_ in classes for each in pinned().attributes(class_)}


def foreign_attributes(tree: ast.Module) -> set[str]:
    """Return the attributes that a file uses and does not define itself."""
    own = {each for node in ast.walk(tree) for each in own_names(node)}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    return used - own


def own_names(node: ast.AST) -> set[str]:
    """Return what a node gives to the classes of its file."""
    return names_of_body(node.body) if isinstance(node, ast.ClassDef) else {given_to_self(node)}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_what_a_source_uses_of_picamera2_is_declared(path: Path) -> None:
    """A name that picamera2 has, too, counts: better one that is declared needlessly."""
    declared = {name.name for name in PICAMERA2_NAMES}
    used = foreign_attributes(ast.parse(path.read_text(encoding="utf-8")))
    assert sorted(used & vocabulary() - declared - NOT_PICAMERA2) == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_what_a_source_gives_to_picamera2_is_declared(path: Path) -> None:
    """Keywords of calls: each is a parameter that the declaration names."""
    known: dict[str, set[str]] = {}
    for name in PICAMERA2_NAMES:
        called = name.path.split(".")[0] if name.name == "__init__" else name.name
        known.setdefault(called, set()).update(name.parameters or ())
    undeclared = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        called = getattr(function, "attr", getattr(function, "id", ""))
        given = {keyword.arg for keyword in node.keywords if keyword.arg}
        if called in known:
            undeclared |= {f"{called}({each}=)" for each in given - known[called]}
    assert sorted(undeclared) == []


@pytest.mark.skipif(not SOURCES, reason="no source uses picamera2 yet")
def test_every_declared_name_is_used() -> None:
    used: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                used.add(node.attr)
            elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.alias):
                used.add(node.name)
            elif isinstance(node, ast.Name):
                used.add(node.id)
    unused = [
        name.path
        for name in PICAMERA2_NAMES
        if (name.path.split(".")[0] if name.name == "__init__" else name.name) not in used
    ]
    assert unused == []


GOOD = CameraName(module="lib.shop", path="Shop.open", parameters=("door",), reason="")


@pytest.mark.parametrize(
    ("source", "terms", "expected"),
    [
        ("class Shop:\n def open(self, door, sign=1): ...", {}, None),
        ("class Shop:\n def open(self, sign): ...", {}, "no parameter door of Shop.open"),
        ("class Shop:\n def open(self, door, key): ...", {}, "a Shop.open that needs key"),
        ("class Shop:\n def open(self, door, *, key): ...", {}, "a Shop.open that needs key"),
        ("class Shop:\n def close(self): ...", {}, "no Shop.open()"),
        ("class Stall: ...", {}, "no lib.shop.Shop"),
        ("class Stall:\n def open(self, door): ...\nclass Shop(Stall): ...", {}, None),
        (
            "class Shop:\n def open(self, door, sign=1): ...",
            {"is_overridden": True},
            "a Shop.open that takes door, sign",
        ),
        ("class Shop:\n def __init__(self):\n  self.open = 1", {"parameters": None}, None),
        ("class Shop:\n def shut(self): ...", {"parameters": None}, "no Shop.open"),
    ],
)
def test_a_name_that_changed_is_found(
    source: str, terms: dict[str, object], expected: str | None
) -> None:
    name = CameraName(
        **{"module": GOOD.module, "path": GOOD.path, "parameters": GOOD.parameters, "reason": ""}
        | terms  # type: ignore[arg-type]
    )
    assert Sdist("1.0.0", {"lib.shop": ast.parse(source)}).problem(name) == expected
