"""The examples in tests/vectors/ that every implementation of the wire can run.

It must not know what they are about.
"""

from __future__ import annotations

import json
from typing import Any

from support.tree import ROOT

Vector = dict[str, Any]


def load(name: str) -> dict[str, Any]:
    """Return what a file of examples holds."""
    content: dict[str, Any] = json.loads((ROOT / "tests/vectors" / name).read_text("utf-8"))
    return content


def name_of(vector: Vector) -> str:
    """Return the name of an example, for the list of tests."""
    return str(vector["name"])
