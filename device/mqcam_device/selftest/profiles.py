"""H.264's profiles and levels in words (ITU-T H.264, annex A).

It must not know streams: a profile-level-id is all it reads.
"""

from __future__ import annotations

from typing import Final

_NAMES: Final = {
    66: "Baseline",
    77: "Main",
    88: "Extended",
    100: "High",
    110: "High 10",
    122: "High 4:2:2",
    244: "High 4:4:4 Predictive",
}
_BASELINE: Final = 66
_CONSTRAINED: Final = 0x40
"""constraint_set1_flag."""
_LEVEL_1B: Final = 9


def profile_words(profile_level_id: str) -> str:
    """Return the words for six hexadecimal digits, such as 42e01f; unknown ones as they are."""
    try:
        profile, constraints, level = bytes.fromhex(profile_level_id)
    except ValueError:
        return "unknown"
    name = _NAMES.get(profile, f"profile {profile}")
    if profile == _BASELINE and constraints & _CONSTRAINED:
        name = f"Constrained {name}"
    number = "1b" if level == _LEVEL_1B else f"{level // 10}.{level % 10}"
    return f"{name}, level {number}"
