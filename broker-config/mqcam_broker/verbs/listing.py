"""The members of a broker as an owner reads them, or a program.

It must not know files or the command line; no secret is in what it returns.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqcam.trust.keys import fingerprint

from mqcam_broker.folder.members import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mqcam_broker.folder.members import Member, Members


def lines(members: Members, *, now: datetime) -> list[str]:
    """Return one line for each member, devices first, in columns; times in ``now``'s zone."""
    rows = [row for kind in KINDS for row in _rows(members.of_kind(kind), now)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def values(members: Members) -> list[dict[str, object]]:
    """Return the members for JSON; ``until`` is RFC 3339 or None."""
    return [
        {
            "kind": member.kind,
            "name": member.name,
            "key": member.key,
            "fingerprint": fingerprint(member.key),
            "serial": member.serial,
            "cameras": list(member.cameras),
            "rights": list(member.rights),
            "until": _moment(member).isoformat() if member.expires is not None else None,
        }
        for kind in KINDS
        for member in members.of_kind(kind)
    ]


def _rows(members: tuple[Member, ...], now: datetime) -> Iterator[tuple[str, ...]]:
    for member in members:
        cameras, rights = ",".join(member.cameras), ",".join(member.rights)
        yield member.kind, member.name, fingerprint(member.key), cameras, rights, _end(member, now)


def _end(member: Member, now: datetime) -> str:
    if member.expires is None:
        return ""
    end = _moment(member)
    word = "until" if end > now else "ended"
    return f"{word} {end.astimezone(now.tzinfo):%Y-%m-%d %H:%M}"


def _moment(member: Member) -> datetime:
    return datetime.fromtimestamp(member.expires or 0, tz=UTC)
