"""Which network interfaces exist inside a machine only, so that nobody else reaches them.

It must not know what the addresses of the others are for.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

VIRTUAL_INTERFACES: Final = (
    "docker*",
    "veth*",
    "br-*",
    "virbr*",
    "podman*",
    "cni*",
    "flannel*",
)
"""Names, with ``*`` for any letters, of what containers and virtual machines bring along."""


def is_excluded(name: str, patterns: Iterable[str] = VIRTUAL_INTERFACES) -> bool:
    """Tell whether one of the shell patterns fits the name of an interface."""
    return any(fnmatch(name, pattern) for pattern in patterns)
