from __future__ import annotations

import pytest
from mqcam_device.selftest.profiles import profile_words


@pytest.mark.parametrize(
    ("profile_level_id", "words"),
    [
        ("42e01f", "Constrained Baseline, level 3.1"),
        ("42c028", "Constrained Baseline, level 4.0"),
        ("42001f", "Baseline, level 3.1"),
        ("4d0029", "Main, level 4.1"),
        ("640032", "High, level 5.0"),
        ("42e009", "Constrained Baseline, level 1b"),
        ("ff000a", "profile 255, level 1.0"),
        ("", "unknown"),
        ("rubbish", "unknown"),
    ],
)
def test_words(profile_level_id: str, words: str) -> None:
    assert profile_words(profile_level_id) == words
