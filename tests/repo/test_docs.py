"""The documents agree with the tree: links lead somewhere, the map is whole, versions match."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from support.tree import ROOT, name_of, source_modules, text_of, tracked, tracked_files

if TYPE_CHECKING:
    from pathlib import Path

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
FIRST_SCREEN_LINES = 40
PAGES = tracked(".md")


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings are linked to."""
    headings = HEADING.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def is_broken(page: Path, link: str) -> bool:
    """Tell whether a link within the repository leads nowhere; others are not followed."""
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists() or not target.is_relative_to(ROOT):
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    links = LINK.findall(FENCED.sub("", page.read_text(encoding="utf-8")))
    assert [link for link in links if is_broken(page, link)] == []


def test_the_readme_opens_with_a_sentence_a_picture_and_two_commands() -> None:
    first = (ROOT / "README.md").read_text().splitlines()[:FIRST_SCREEN_LINES]
    text = "\n".join(first)
    assert "make demo" in text
    assert "make test" in text
    assert re.search(r"!\[[^\]]+\]\(docs/images/[^)]+\)", text)


def test_the_map_names_every_module() -> None:
    chart = (ROOT / "docs/map.md").read_text()
    words = set(re.findall(r"[\w./-]+", chart))
    missing = [
        name_of(path)
        for path in source_modules()
        if path.stem not in {"__init__", "__main__"} and not {path.stem, path.name} & words
    ]
    assert missing == []


def test_the_map_names_every_folder() -> None:
    chart = (ROOT / "docs/map.md").read_text()
    folders = {name_of(path.parent) for path in tracked_files()} - {".", ".ci"}
    top = {folder.split("/", 1)[0] for folder in folders}
    tests = {folder for folder in folders if re.fullmatch(r"tests/\w+", folder)}
    assert sorted(folder for folder in top | tests if f"{folder}/" not in chart) == []


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text()
    pages = [path.name for path in tracked(".md", under="docs/decisions")]
    assert [name for name in pages if name != "README.md" and f"({name})" not in index] == []


def test_the_changelog_leads_with_the_version_or_what_is_unreleased() -> None:
    """The version of pyproject.toml is released or being prepared, never forgotten."""
    log = (ROOT / "CHANGELOG.md").read_text()
    sections = re.findall(r"^## \[?([^\]\s]+)", log, re.MULTILINE)
    assert sections[0] in {"Unreleased", project()["version"]}
    released = [section for section in sections if section != "Unreleased"]
    assert not released or released[0] == project()["version"]


def test_commands_of_the_readme_exist() -> None:
    """Whatever a page tells a person to type is a target of the Makefile or a program of ours."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    programs = set(project()["scripts"])
    told: set[str] = set()
    for page in PAGES:
        text = text_of(page) or ""
        told |= {f"make {name}" for name in re.findall(r"`make ([a-z-]+)", text)}
        told |= {f"make {name}" for name in re.findall(r"^\s*make ([a-z-]+)$", text, re.MULTILINE)}
        told |= set(
            re.findall(r"\b(mqcam-[a-z]+)(?= (?:run|init|add-|list|probe|check|status))", text)
        )
    known = {f"make {name}" for name in targets} | programs
    assert sorted(told - known) == []


def test_every_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"^[a-z-]+:(?!.*##).*$", makefile, re.MULTILINE) == []
