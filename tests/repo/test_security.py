"""The page on security says what is tested: each test that it names is there."""

from __future__ import annotations

import re

from support.tree import ROOT, tracked

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(test_\w+)`")
DEFINED = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
ROW = re.compile(r"^\| (?!---|attacker).*\|$", re.MULTILINE)


def threats() -> list[str]:
    """Return the rows of the table of attackers."""
    section = PAGE.partition("## Who can do what\n")[2].partition("\n## ")[0]
    return ROW.findall(section)


def test_every_test_that_the_page_names_exists() -> None:
    defined: set[str] = set()
    for path in tracked(".py", under="tests"):
        defined |= set(DEFINED.findall(path.read_text(encoding="utf-8")))
    assert sorted(set(NAMED.findall(PAGE)) - defined) == []


def test_every_threat_names_a_test() -> None:
    assert len(threats()) > 1
    assert [row for row in threats() if not NAMED.search(row)] == []
