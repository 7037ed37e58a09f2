"""The members of one broker: its devices and viewers, their keys and what viewers may do.

It must not know where they are stored: it reads and writes text, one member a line, so that a
fleet of thousands loads at once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Self, get_args

from mqcam.credentials import Kind
from mqcam.errors import ConfigError, Problem, SetupError, UsageError
from mqcam.protocol.fields import SECOND_MAX
from mqcam.protocol.topics import is_id
from mqcam.trust.documents import RIGHTS, is_pattern, is_serial
from mqcam.trust.keys import is_signing_key

from mqcam_broker.folder.names import OWNER

KINDS: tuple[Kind, ...] = get_args(Kind)

_HEADER = (
    "# Written by mqcam-broker: kind, name, hash of the password, public key, serial;\n"
    "# of viewers also cameras, rights and the Unix second at which they end (- for never).\n"
)
_NEVER = "-"
_BASE = 5
_FIELDS = {"device": _BASE, "viewer": _BASE + 3}
_KEYLESS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One device or viewer: how the broker recognises its password, and its peers its key."""

    kind: Kind
    name: str
    password_hash: str = field(repr=False)
    key: str
    serial: str
    """Names what the owner signed for this key, so that it can be revoked."""
    cameras: tuple[str, ...] = ()
    """Names or patterns of those that a viewer may reach; empty for a device."""
    rights: tuple[str, ...] = ()
    expires: int | None = None
    """The Unix second at which a viewer's grant ends."""

    def line(self) -> str:
        """Return the member as one line."""
        words = [self.kind, self.name, self.password_hash, self.key, self.serial]
        if self.kind == "viewer":
            end = _NEVER if self.expires is None else str(self.expires)
            words += [",".join(self.cameras), ",".join(self.rights), end]
        return " ".join(words) + "\n"


@dataclass(frozen=True, slots=True)
class Members:
    """All devices and viewers of one broker, by name."""

    by_name: dict[str, Member] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, *, file: str) -> Self:
        """Read what ``text`` wrote; raise ConfigError with every line that cannot be read."""
        by_name: dict[str, Member] = {}
        problems: list[Problem] = []
        if not text.strip("\0 \n"):  # what a disk leaves of a file that it lost: ours begins with #
            problems.append(Problem(file=file, key="member", message="is empty: take a backup's"))
        for number, line in enumerate(text.splitlines(), start=1):
            if not line or line.startswith("#"):
                continue
            member = _member(line)
            if member is None or member.name in by_name:
                twice = _remedy("the name stands here twice")
                message = _complaint(line) if member is None else twice
                problems.append(
                    Problem(file=file, line=number, column=1, key="member", message=message)
                )
            else:
                by_name[member.name] = member
        if problems:
            raise ConfigError(problems)
        return cls(by_name)

    def text(self) -> str:
        """Return the lines from which ``parse`` makes these members again."""
        return _HEADER + "".join(member.line() for member in self.by_name.values())

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
                f"choose another name, give this {taken.kind} new credentials with: mqcam-broker "
                f"add-{taken.kind} {name} --replace, or free the name with: mqcam-broker remove "
                f"{name}",
            )

    def find(self, name: str) -> Member:
        """Return a member; raise UsageError when there is none of that name."""
        member = self.by_name.get(name)
        if member is None:
            raise UsageError(
                f"there is no device or viewer {name!r}", "see the names with: mqcam-broker list"
            )
        return member

    def replacing(self, member: Member) -> Self:
        """Return these members with one more, in the place of who had its name."""
        return type(self)({**self.by_name, member.name: member})

    def without(self, name: str) -> Self:
        """Return these members without one; raise UsageError when there is none of that name."""
        self.find(name)
        return type(self)({key: value for key, value in self.by_name.items() if key != name})


def _member(line: str) -> Member | None:
    words = line.split(" ")
    kind = next((known for known in KINDS if known == words[0]), None)
    if kind is None or len(words) != _FIELDS[kind]:
        return None
    name, password_hash, key, serial = words[1:_BASE]
    is_known = is_id(name) and name != OWNER and password_hash.startswith("$7$")
    if not (is_known and is_signing_key(key) and is_serial(serial)):
        return None
    member = Member(kind=kind, name=name, password_hash=password_hash, key=key, serial=serial)
    return member if kind == "device" else _granted(member, *words[_BASE:])


def _granted(member: Member, cameras: str, rights: str, end: str) -> Member | None:
    patterns, words = tuple(cameras.split(",")), tuple(rights.split(","))
    if not (all(map(is_pattern, patterns)) and set(words) <= set(RIGHTS)):
        return None
    is_second = end.isascii() and end.isdecimal() and len(end) <= len(str(SECOND_MAX))
    if end != _NEVER and not (is_second and int(end) <= SECOND_MAX):
        return None
    expires = None if end == _NEVER else int(end)
    return dataclasses.replace(member, cameras=patterns, rights=words, expires=expires)


def _complaint(line: str) -> str:
    words = line.split(" ")
    if len(words) == _KEYLESS and words[0] in KINDS and is_id(words[1]):
        return (
            "the line is of an older version, which knew no keys: delete it, and give new "
            f"credentials with: mqcam-broker add-{words[0]} {words[1]}"
        )
    return _remedy("the line is damaged")


def _remedy(reason: str) -> str:
    return f"{reason}: take the file from a backup or delete the line"
