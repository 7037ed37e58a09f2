"""No file of the product uses a private name of another library that it does not declare."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
from mqcam.private import DECLARING_MODULES, SUPPORTED_VERSIONS, declared_names

ROOT = Path(__file__).parents[2]
PACKAGES = ("signaling", "device", "viewer", "broker-config")
FILES = sorted(
    path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.is_file()
)


def is_private(name: str) -> bool:
    """Tell whether a name is private by convention; dunder names are Python's."""
    return name.startswith("_") and not name.startswith("__")


@functools.cache
def names_of_the_libraries() -> frozenset[str]:
    """Collect the private names that the sources of the libraries mention."""
    found: set[str] = set()
    for library in SUPPORTED_VERSIONS:
        package = importlib.import_module(library)
        for each in pkgutil.walk_packages(package.__path__, f"{library}."):
            module = importlib.import_module(each.name)
            try:
                tree = ast.parse(inspect.getsource(module))
            except OSError:
                continue  # compiled
            found |= {name for node in ast.walk(tree) if (name := private_name(node))}
    return frozenset(found)


def private_name(node: ast.AST) -> str:
    """Return the private name that a node uses or defines as an attribute, else nothing."""
    if isinstance(node, ast.Attribute):
        name = node.attr
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        name = node.name
    else:
        return ""
    return name if is_private(name) else ""


def imports_a_library(tree: ast.Module) -> bool:
    """Tell whether a file imports one of the libraries or a subclass of theirs."""
    watched = (*SUPPORTED_VERSIONS, *DECLARING_MODULES)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            continue
        if any(each == name or each.startswith(f"{name}.") for each in modules for name in watched):
            return True
    return False


def own_names(tree: ast.Module) -> set[str]:
    """Collect the private names that a file itself makes."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                found.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def declared_in(path: Path) -> set[str]:
    """Return the names that the file's module declares."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts[1:])
    if module not in DECLARING_MODULES:
        return set()
    return {each.name for each in declared_names([module])}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_private_names_of_the_libraries_are_declared_where_they_are_used(path: Path) -> None:
    """A private name that the file makes itself counts only if the libraries do not have it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not imports_a_library(tree):
        return
    declared = declared_in(path)
    foreign = names_of_the_libraries()
    ours = own_names(tree)
    undeclared = {
        f"{name}, line {node.lineno}"
        for node in ast.walk(tree)
        if (name := private_name(node)) in foreign
        and name not in declared
        and isinstance(node, ast.Attribute | ast.FunctionDef | ast.AsyncFunctionDef)
        and not (name in ours and is_of_self(node))
    }
    assert not undeclared


def is_of_self(node: ast.AST) -> bool:
    """Tell whether a node is an attribute of ``self`` or a method."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.value, ast.Name) and node.value.id == "self"
    return True


def subclasses(module: str) -> list[type]:
    """Return the classes of a module that inherit from one of the libraries."""
    return [
        each
        for each in vars(importlib.import_module(module)).values()
        if inspect.isclass(each) and each.__module__ == module and library_bases(each)
    ]


def library_bases(class_: type) -> list[type]:
    """Return the classes of the libraries that a class inherits from."""
    return [each for each in class_.__mro__ if each.__module__.split(".")[0] in SUPPORTED_VERSIONS]


@pytest.mark.parametrize(
    "class_",
    [class_ for module in DECLARING_MODULES for class_ in subclasses(module)],
    ids=lambda class_: class_.__name__,
)
def test_a_subclass_replaces_nothing_private_by_accident(class_: type) -> None:
    own = own_names(ast.parse(inspect.getsource(class_)))
    inherited = {
        name
        for base in library_bases(class_)
        for node in ast.walk(ast.parse(inspect.getsource(base)))
        if (name := private_name(node))
    }
    declared = {each.name for each in declared_names([class_.__module__])}
    assert {name for name in own & inherited if is_private(name)} <= declared


@pytest.mark.parametrize("module", DECLARING_MODULES)
def test_every_declared_name_is_used(module: str) -> None:
    """A name in the declaration itself does not count: that is a text."""
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.alias | ast.Name):
            used.add(node.id if isinstance(node, ast.Name) else node.name)
    for name in declared_names([module]):
        assert name.name.removeprefix("__") in {each.removeprefix("__") for each in used}


def test_a_private_import_from_a_library_is_declared() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or node.module is None:
                continue
            if node.module.partition(".")[0] in SUPPORTED_VERSIONS:
                private = {alias.name for alias in node.names if is_private(alias.name)}
                assert private <= declared_in(path), f"{path}: {private}"
