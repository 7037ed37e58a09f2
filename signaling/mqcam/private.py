"""The private names of other libraries that this product uses, and their check.

Each file that uses one declares it in its ``PRIVATE_NAMES``; this file must know none of them.
A program calls ``check_libraries`` when it starts, so that an upgrade which took a name away
ends in one sentence instead of a picture that never comes.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mqcam.errors import MissingRequirement

if TYPE_CHECKING:
    from collections.abc import Iterable

# The minor versions whose private names were read; pyproject.toml pins the same.
SUPPORTED_VERSIONS: Final = {"aiortc": "1.16", "aioice": "0.13", "pylibsrtp": "1.0", "paho": "2.2"}

DISTRIBUTIONS: Final = {"paho": "paho-mqtt"}
"""What is installed under another name than it is imported."""

DECLARING_MODULES: Final = (
    "mqcam.checks",
    "mqcam.gathering",
    "mqcam.ice",
    "mqcam.media",
    "mqcam.datalink",
    "mqcam.relay",
    "mqcam.srtp",
    "mqcam.mqtt.link",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateName:
    """One name that a library does not promise to keep, and why we need it.

    ``path`` is ``Class.name``. A method has ``parameters``; an attribute that only a constructor
    makes has none and is looked for in the constructor.
    """

    module: str
    path: str
    reason: str
    parameters: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The last part of the path: what stands in our source."""
        return self.path.rpartition(".")[2]

    @property
    def library(self) -> str:
        """The library that the name belongs to, as it is imported."""
        return self.module.partition(".")[0]


def declared_names(modules: Iterable[str] = DECLARING_MODULES) -> tuple[PrivateName, ...]:
    """Collect what the files that use private names declare."""
    return tuple(
        name
        for module in modules
        for name in importlib.import_module(module).PRIVATE_NAMES  # each declares, none is empty
    )


def check_libraries(names: Iterable[PrivateName] | None = None) -> None:
    """Raise MissingRequirement unless the installed libraries are those that we were built on."""
    for library, wanted in SUPPORTED_VERSIONS.items():
        check_version(library, wanted)
    for name in declared_names() if names is None else names:
        problem = find_problem(name)
        if problem is not None:
            raise MissingRequirement(
                f"{_distribution(name.library)} {_installed_version(name.library)} has {problem}",
                _remedy(name.library, SUPPORTED_VERSIONS[name.library]),
            )


def check_version(library: str, wanted: str) -> None:
    """Raise MissingRequirement unless the minor version of ``library`` is ``wanted``."""
    installed = _installed_version(library)
    shown = _distribution(library)
    if installed is None:
        raise MissingRequirement(f"{shown} is not installed", _remedy(library, wanted))
    if installed.split(".")[:2] != wanted.split("."):
        raise MissingRequirement(
            f"{shown} {installed} is installed, but this program is built on {wanted}",
            _remedy(library, wanted),
        )


def find_problem(name: PrivateName) -> str | None:
    """Say what is wrong with a declared name in the installed library; None if nothing is."""
    try:
        owner = importlib.import_module(name.module)
        *classes, last = name.path.split(".")
        for part in classes:
            owner = getattr(owner, part)
    except (ImportError, AttributeError):
        return f"no {name.module}.{name.path}"
    if name.parameters is None:
        return _attribute_problem(owner, name, last)
    function = inspect.getattr_static(owner, last, None)
    if function is None:
        return f"no {name.path}"
    found = tuple(inspect.signature(inspect.unwrap(function)).parameters)
    if found != name.parameters:
        return f"a {name.path} that takes {', '.join(found)}"
    return None


def _attribute_problem(owner: object, name: PrivateName, last: str) -> str | None:
    if not inspect.isclass(owner):
        return None if hasattr(owner, last) else f"no {name.path}"
    # An instance cannot be made here, but its constructor names every attribute that it sets.
    code = getattr(inspect.getattr_static(owner, "__init__"), "__code__", None)
    return None if code is not None and last in code.co_names else f"no {name.path}"


def _distribution(library: str) -> str:
    return DISTRIBUTIONS.get(library, library)


def _installed_version(library: str) -> str | None:
    try:
        return importlib.metadata.version(_distribution(library))
    except importlib.metadata.PackageNotFoundError:
        return None


def _remedy(library: str, wanted: str) -> str:
    return f'install it with: pip install "{_distribution(library)}=={wanted}.*"'
