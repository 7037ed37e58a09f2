"""docs/protocol.md against the code: drawings, examples and addresses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from mqcam.protocol.codec import decode, encode
from mqcam.protocol.codes import Drop

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "protocol.md"
SCRIPT = ROOT / "scripts" / "draw_protocol.py"
EXAMPLES = re.findall(r"```json\n(\{\"v\".*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_drawings_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example[:24])
def test_examples_can_be_read_and_lack_nothing_that_is_written(example: str) -> None:
    written = json.loads(encode(decode(example.encode())))
    assert written == json.loads(example)


def test_every_kind_of_message_has_an_example() -> None:
    kinds = {json.loads(example)["t"] for example in EXAMPLES}
    assert kinds == {
        *("status", "offer", "answer", "cand", "bye", "error", "gone"),
        *("pair", "paired"),
    }


def test_every_reason_to_drop_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [code for code in Drop if f"`{code}`" not in text] == []
