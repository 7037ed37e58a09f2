"""The source of one version of a library, read without importing it, and whether it has a name.

It must not know which names are asked for, or why.
"""

from __future__ import annotations

import ast
import tarfile
from dataclasses import dataclass
from email.parser import Parser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mqcam_device.sources.picamera.names import CameraName, Version

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters of a function without ``self``: all, and those that must be given."""

    names: tuple[str, ...]
    required: frozenset[str]
    takes_any: bool


class Sdist:
    """The modules of a package as syntax trees."""

    def __init__(self, version: str, modules: dict[str, ast.Module]) -> None:
        self.text = version
        self.modules = modules

    @classmethod
    def of_archive(cls, archive: Path) -> Sdist:
        """Read an archive as it lies in an index."""
        modules: dict[str, ast.Module] = {}
        version = ""
        with tarfile.open(archive) as files:
            for member in files:
                _, _, name = member.name.partition("/")
                content = files.extractfile(member)
                if content is None:
                    continue
                if name == "PKG-INFO":
                    version = Parser().parsestr(content.read().decode())["Version"]
                elif name.endswith(".py"):
                    modules[module_name(name)] = ast.parse(content.read())
        return cls(version, modules)

    @classmethod
    def installed(cls, package: str, folder: Path) -> Sdist:
        """Read a package where pip has put it."""
        modules = {
            module_name(str(path.relative_to(folder))): ast.parse(path.read_bytes())
            for path in (folder / package).rglob("*.py")
        }
        [metadata] = folder.glob(f"{package}-*.dist-info/METADATA")
        version = Parser().parsestr(metadata.read_text(encoding="utf-8"))["Version"]
        return cls(version, modules)

    @property
    def version(self) -> Version:
        """The three numbers of the version."""
        major, minor, patch = (int(part) for part in self.text.split(".")[:3])
        return major, minor, patch

    def problem(self, name: CameraName) -> str | None:
        """Say what is wrong with a name in this version; None if nothing is."""
        module = self.modules.get(name.module)
        if module is None:
            return f"no module {name.module}"
        owner, _, last = name.path.rpartition(".")
        if not owner:
            return None if last in names_of_module(module) else f"no {name.module}.{last}"
        if self.class_named(owner) is None:
            return f"no {name.module}.{owner}"
        if name.parameters is None:
            return None if last in self.attributes(owner) else f"no {name.path}"
        function = self.method(owner, last)
        if function is None:
            return f"no {name.path}()"
        return parameter_problem(name, parameters_of(function))

    def class_named(self, name: str) -> ast.ClassDef | None:
        """Return a class of the package; their names are unique there."""
        for module in self.modules.values():
            for node in module.body:
                if isinstance(node, ast.ClassDef) and node.name == name:
                    return node
        return None

    def lineage(self, name: str) -> Iterator[ast.ClassDef]:
        """Yield a class and those of the package that it inherits from, nearest first."""
        found = self.class_named(name)
        if found is None:
            return
        yield found
        for parent in found.bases:
            node = parent.value if isinstance(parent, ast.Subscript) else parent
            if isinstance(node, ast.Name) and node.id != name:
                yield from self.lineage(node.id)

    def method(self, owner: str, name: str) -> FunctionNode | None:
        """Return a method as it is called: none of its overloads."""
        for class_ in self.lineage(owner):
            for node in class_.body:
                if isinstance(node, FunctionNode) and node.name == name and not is_overload(node):
                    return node
        return None

    def attributes(self, owner: str) -> set[str]:
        """Return what a class or its instances have: methods, fields, what ``self`` is given."""
        found: set[str] = set()
        for class_ in self.lineage(owner):
            found |= names_of_body(class_.body)
            found |= {name for node in ast.walk(class_) if (name := given_to_self(node))}
        return found


def given_to_self(node: ast.AST) -> str:
    """Return the attribute that a node gives to ``self``, else nothing."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Store):
        return ""
    return node.attr if isinstance(node.value, ast.Name) and node.value.id == "self" else ""


def module_name(path: str) -> str:
    """Return the dotted name of a file's module."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def is_overload(function: FunctionNode) -> bool:
    """Tell whether a function is there for type checkers only."""
    return any(isinstance(d, ast.Name) and d.id == "overload" for d in function.decorator_list)


def names_of_module(module: ast.Module) -> set[str]:
    """Return the names that a module defines or imports, in its branches too."""
    found = names_of_body(module.body)
    for node in ast.walk(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def names_of_body(body: list[ast.stmt]) -> set[str]:
    """Return the names that statements define."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, FunctionNode | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def parameters_of(function: FunctionNode) -> Parameters:
    """Return the parameters of a method, without the one that Python gives."""
    terms = function.args
    positional = [each.arg for each in (*terms.posonlyargs, *terms.args)]
    without_default = positional[: len(positional) - len(terms.defaults)]
    is_static = any(
        isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list
    )
    own = [] if is_static else positional[:1]
    keywords = [each.arg for each in terms.kwonlyargs]
    needed = [
        each.arg
        for each, default in zip(terms.kwonlyargs, terms.kw_defaults, strict=True)
        if default is None
    ]
    return Parameters(
        names=tuple(each for each in (*positional, *keywords) if each not in own),
        required=frozenset({*without_default, *needed} - set(own)),
        takes_any=terms.kwarg is not None,
    )


def parameter_problem(name: CameraName, found: Parameters) -> str | None:
    """Say why a function cannot be called, or overridden, as declared; None if it can."""
    wanted = name.parameters or ()
    if name.is_overridden:
        if found.names == wanted:
            return None
        return f"a {name.path} that takes {', '.join(found.names) or 'nothing'}"
    missing = [] if found.takes_any else [each for each in wanted if each not in found.names]
    if missing:
        return f"no parameter {', '.join(missing)} of {name.path}"
    lacking = sorted(found.required - set(wanted))
    return f"a {name.path} that needs {', '.join(lacking)}" if lacking else None
