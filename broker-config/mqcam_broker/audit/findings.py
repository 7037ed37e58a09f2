"""What an audit found, for people and for programs.

It must not know how it was found out.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from mqcam_broker.audit.remedies import remedy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ANYBODY = "anybody"
"""Who an outsider is in a finding."""


class Verdict(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    NOTE = "note"
    """Good to know, and no danger to anything that mqcam protects."""
    UNKNOWN = "unknown"
    """It could not be found out with the accounts that were given."""
    BAD = "BAD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried, by whom, and what came of it."""

    check: str
    who: str
    verdict: Verdict
    text: str
    remedy: str = ""
    """What to do about it, where it is bad."""


def found(check: str, who: str, verdict: Verdict, text: str) -> Finding:
    """Return a finding, with a remedy if it is bad."""
    what_to_do = remedy(check) if verdict is Verdict.BAD else ""
    return Finding(check=check, who=who, verdict=verdict, text=text, remedy=what_to_do)


def has_bad(findings: Iterable[Finding]) -> bool:
    """Tell whether somebody should do something."""
    return any(finding.verdict is Verdict.BAD for finding in findings)


def table(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines of a table, what is bad last, where eyes rest, each remedy once below."""
    order = list(Verdict)
    rows = sorted(findings, key=lambda finding: order.index(finding.verdict))
    check, who = (
        max((len(getattr(row, column)) for row in rows), default=0) for column in ("check", "who")
    )
    for row in rows:
        yield f"{row.verdict:<7}  {row.check:<{check}}  {row.who:<{who}}  {row.text}".rstrip()
    remedies: dict[str, list[str]] = {}
    for row in rows:
        if row.remedy:
            remedies.setdefault(row.remedy, []).append(row.check)
    if remedies:
        yield "What to do:"
    for remedy_text, checks in remedies.items():
        yield f"  {', '.join(dict.fromkeys(checks))}:"
        yield f"    {remedy_text}"


def as_json(broker: str, findings: Sequence[Finding]) -> str:
    """Return one JSON object: the broker, whether it is all right, every finding."""
    facts = {
        "broker": broker,
        "ok": not has_bad(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(facts, indent=2)
