"""YAML files as frozen dataclasses, every mistake at once with line, column and a suggestion.

Annotations are read at run time: bool, int, float, str, Path, Literal, Enum, ``tuple[T, ...]``,
``X | None``, nested dataclasses, and unions of dataclasses told apart by a Literal key.
"""

from mqcam.config.annotations import REQUIRED, Checked, Matches, Range, Secret, Size, defaults
from mqcam.config.reading import decode, load, top_keys

__all__ = [
    "REQUIRED",
    "Checked",
    "Matches",
    "Range",
    "Secret",
    "Size",
    "decode",
    "defaults",
    "load",
    "top_keys",
]
