"""The members of one broker: its devices and viewers with the hashes of their passwords.

It must not know where they are stored: it reads and writes text, one member a line, so that a
fleet of thousands loads at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, get_args

from mqcam.credentials import Kind
from mqcam.errors import ConfigError, Problem, SetupError, UsageError
from mqcam.protocol.topics import is_id

KINDS: tuple[Kind, ...] = get_args(Kind)

_HEADER = "# Written by mqcam-broker: kind, name, hash of the password. The broker reads passwd.\n"
_FIELDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One device or viewer, and how the broker recognises its password."""

    kind: Kind
    name: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Members:
    """All devices and viewers of one broker, by name."""

    by_name: dict[str, Member] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, *, file: str) -> Self:
        """Read what ``text`` wrote; raise ConfigError with every line that cannot be read."""
        by_name: dict[str, Member] = {}
        problems: list[Problem] = []
        for number, line in enumerate(text.splitlines(), start=1):
            if not line or line.startswith("#"):
                continue
            member = _member(line)
            if member is None or member.name in by_name:
                reason = "the line is damaged" if member is None else "the name stands here twice"
                remedy = f"{reason}: take the file from a backup or delete the line"
                problems.append(
                    Problem(file=file, line=number, column=1, key="member", message=remedy)
                )
            else:
                by_name[member.name] = member
        if problems:
            raise ConfigError(problems)
        return cls(by_name)

    def text(self) -> str:
        """Return the lines from which ``parse`` makes these members again."""
        lines = (f"{m.kind} {m.name} {m.password_hash}\n" for m in self.by_name.values())
        return _HEADER + "".join(lines)

    def password_file(self) -> str:
        """Return the users as mosquitto's ``password_file`` wants them."""
        return "".join(f"{m.name}:{m.password_hash}\n" for m in self.by_name.values())

    def of_kind(self, kind: Kind) -> tuple[Member, ...]:
        """Return the members of one kind by name."""
        return tuple(member for _, member in sorted(self.by_name.items()) if member.kind == kind)

    def check_free(self, name: str) -> None:
        """Raise SetupError when a device or viewer has that name already."""
        taken = self.by_name.get(name)
        if taken is not None:
            raise SetupError(
                f"{name} is already the name of a {taken.kind}, and a name belongs to one device "
                "or one viewer, because the broker tells who wrote a message by the name alone",
                f"choose another name, or free this one with: mqcam-broker remove {name}",
            )

    def with_member(self, member: Member) -> Self:
        """Return these members and one more; raise SetupError when its name is taken."""
        self.check_free(member.name)
        return type(self)({**self.by_name, member.name: member})

    def without(self, name: str) -> Self:
        """Return these members without one; raise UsageError when there is none of that name."""
        if name not in self.by_name:
            raise UsageError(
                f"there is no device or viewer {name!r}", "see the names with: mqcam-broker list"
            )
        return type(self)({key: value for key, value in self.by_name.items() if key != name})


def _member(line: str) -> Member | None:
    fields = line.split(" ")
    if len(fields) != _FIELDS:
        return None
    word, name, password_hash = fields
    kind = next((known for known in KINDS if known == word), None)
    if kind is None or not is_id(name) or not password_hash.startswith("$7$"):
        return None
    return Member(kind=kind, name=name, password_hash=password_hash)
