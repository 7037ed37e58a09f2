"""Who is believed without, or against, an owner's word: two small files in the manner of ssh.

They must not know protocols: a name, a key and what is noted beside it. People may edit them; a
line that cannot be read stops the program with its number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from mqcam.errors import CredentialsError
from mqcam.protocol.topics import is_id
from mqcam.trust.documents import RIGHTS, is_serial
from mqcam.trust.entries import ENTRIES_MAX, EntryFile, Form
from mqcam.trust.keys import is_signing_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

AUTHORITY = "authority"
REVOKED = "revoked"

VERSION_MAX = 2**31

_VERSION = re.compile(r"[1-9][0-9]{0,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDevice:
    """A device that was vouched for once: its key, and the highest wire version it signed.

    ``serial`` is that of the certificate which vouched for it, empty for a paired one.
    """

    name: str
    key: str
    version: int = 1
    serial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedViewer:
    """A viewer with rights of its own, or, where ``is_revoked``, a key without any."""

    name: str
    key: str
    rights: frozenset[str] = frozenset()
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A key whose signature counts like an owner's."""

    key: str


class KnownDevices:
    """The devices that a viewer has seen vouched for (``known_devices``).

    Raises CredentialsError for a file that cannot be used; one that is not there knows nobody.
    """

    def __init__(self, path: Path) -> None:
        self._file: EntryFile[KnownDevice | Authority] = EntryFile(
            path,
            Form(
                header="# Cameras by the key that they had when somebody vouched for them.",
                parse=_known_device,
                text=_device_line,
                identity=_device_identity,
            ),
        )
        self._noticed: dict[str, KnownDevice] = {}
        self._devices: dict[str, KnownDevice] = {}
        self.authorities: tuple[str, ...] = ()
        """The keys whose signature on a certificate counts, beside the owner's."""
        self._take(self._file.read())

    @property
    def path(self) -> Path:
        """Return where the entries are kept."""
        return self._file.path

    def find(self, name: str) -> KnownDevice | None:
        """Return what is known of a device."""
        return self._noticed.get(name) or self._devices.get(name)

    def key(self, name: str) -> str | None:
        """Return the key of a device that was vouched for."""
        found = self.find(name)
        return None if found is None else found.key

    def pin(self, name: str, key: str, version: int, *, serial: str = "") -> None:
        """Keep a device over the next power cut; raise CredentialsError if it cannot be written."""
        self.notice(KnownDevice(name=name, key=key, version=version, serial=serial))
        self.save()

    def notice(self, device: KnownDevice) -> None:
        """Know a device from now on; ``save`` writes it. CredentialsError when there are too many.

        It replaces what was known under its name.
        """
        is_new = self.find(device.name) is None
        if is_new and len(self._devices) + len(self._noticed) >= ENTRIES_MAX:
            raise CredentialsError(str(self.path), f"holds more than {ENTRIES_MAX} entries")
        self._noticed[device.name] = device

    def save(self) -> None:
        """Write what was noticed, beside what other programs wrote; may run in a thread.

        Raises CredentialsError; what was noticed stays known, and the next call tries again.
        """
        noticed = dict(self._noticed)
        if not noticed:
            return
        self._take(self._file.change(lambda entries: _merged(entries, noticed)))
        for name, device in noticed.items():
            if self._noticed.get(name) is device:
                del self._noticed[name]

    def _take(self, entries: Sequence[KnownDevice | Authority]) -> None:
        self._devices = {each.name: each for each in entries if isinstance(each, KnownDevice)}
        self.authorities = _authorities(entries)


class AuthorizedViewers:
    """The viewers whom this device knows by itself (``authorized_viewers``).

    Raises CredentialsError for a file that cannot be used; one that is not there names nobody.
    """

    def __init__(self, path: Path) -> None:
        self._file: EntryFile[AuthorizedViewer | Authority] = EntryFile(
            path,
            Form(
                header="# Viewers who were let in at this camera, or shut out of it.",
                parse=_authorized_viewer,
                text=_viewer_line,
                identity=_viewer_identity,
            ),
        )
        self._viewers: tuple[AuthorizedViewer, ...] = ()
        self._unwritten: tuple[AuthorizedViewer, ...] = ()
        self.authorities: tuple[str, ...] = ()
        """The keys whose signature on a grant counts, beside the owner's."""
        self._take(self._file.read())

    @property
    def path(self) -> Path:
        """Return where the entries are kept."""
        return self._file.path

    def entries(self) -> tuple[AuthorizedViewer, ...]:
        """Return everybody who is named, shut out or let in."""
        return self._viewers

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that are let in here."""
        return tuple(each.name for each in self._viewers if not each.is_revoked)

    def find(self, name: str) -> tuple[AuthorizedViewer, ...]:
        """Return the entries of one name: at most one that lets in, any number that shut out."""
        return tuple(each for each in self._viewers if each.name == name)

    def is_shut_out(self, key: str) -> bool:
        """Tell whether a key was shut out, under whatever name it comes now."""
        return any(each.is_revoked and each.key == key for each in self._viewers)

    def add(self, name: str, key: str, rights: frozenset[str]) -> None:
        """Let a viewer in, instead of whom that name let in before and what shut that key out.

        When it returns, no power cut takes it back. Raises CredentialsError, and then nobody new
        is let in.
        """
        self._write(AuthorizedViewer(name=name, key=key, rights=rights))

    def revoke(self, name: str, key: str) -> None:
        """Shut a key out, whatever its grant says; raise CredentialsError if that may not last."""
        revoked = AuthorizedViewer(name=name, key=key, is_revoked=True)
        # First here, then on the disk: a full one must not keep the door open.
        self._viewers = tuple(
            each for each in _with(self._viewers, revoked) if isinstance(each, AuthorizedViewer)
        )
        self._unwritten = (*(each for each in self._unwritten if each != revoked), revoked)
        self._write()

    def _write(self, *new: AuthorizedViewer) -> None:
        """Keep the revocations that are not written yet, then ``new``."""
        steps = (*self._unwritten, *new)
        self._take(self._file.change(lambda entries: reduce(_with, steps, list(entries))))
        self._unwritten = ()

    def _take(self, entries: Sequence[AuthorizedViewer | Authority]) -> None:
        self._viewers = tuple(each for each in entries if isinstance(each, AuthorizedViewer))
        self.authorities = _authorities(entries)


def _merged(
    entries: Sequence[KnownDevice | Authority], noticed: dict[str, KnownDevice]
) -> list[KnownDevice | Authority]:
    merged: dict[Hashable, KnownDevice | Authority] = {_device_identity(e): e for e in entries}
    for device in noticed.values():
        old = merged.get(device.name)
        is_same = isinstance(old, KnownDevice) and old.key == device.key
        # Another program may have met the device after an update.
        version = max(device.version, old.version if isinstance(old, KnownDevice) else 1)
        merged[device.name] = replace(device, version=version) if is_same else device
    return list(merged.values())


def _with(
    entries: Sequence[AuthorizedViewer | Authority], new: AuthorizedViewer
) -> list[AuthorizedViewer | Authority]:
    """Return the entries with ``new``: one key is let in once or shut out, one name let in once."""
    return [
        *(
            each
            for each in entries
            if isinstance(each, Authority)
            or (
                each.key != new.key and (each.name != new.name or each.is_revoked or new.is_revoked)
            )
        ),
        new,
    ]


def _authorities(entries: Sequence[object]) -> tuple[str, ...]:
    return tuple(each.key for each in entries if isinstance(each, Authority))


def _known_device(words: list[str]) -> KnownDevice | Authority:
    if words[0] == AUTHORITY and len(words) == 2:  # noqa: PLR2004  # a device has its v= too
        return _authority(words)
    name, key, notes = _head(words)
    version, serial = notes.pop("v", "1"), notes.pop("serial", "")
    is_version = _VERSION.fullmatch(version) is not None and int(version) <= VERSION_MAX
    if notes or not is_version or (serial and not is_serial(serial)):
        raise ValueError("expected: NAME ed25519:... v=1")
    return KnownDevice(name=name, key=key, version=int(version), serial=serial)


def _authorized_viewer(words: list[str]) -> AuthorizedViewer | Authority:
    if words[0] == AUTHORITY and len(words) == 2:  # noqa: PLR2004  # a viewer has its rights= too
        return _authority(words)
    if words[0] == REVOKED and len(words) == 3 and is_id(words[1]):  # noqa: PLR2004  # name, key
        name, key, _ = _head(words[1:])
        return AuthorizedViewer(name=name, key=key, is_revoked=True)
    name, key, notes = _head(words)
    rights = frozenset(filter(None, notes.pop("rights", "view").split(",")))
    if notes or not rights or not rights <= set(RIGHTS):
        raise ValueError(f"expected: NAME ed25519:... rights= and some of {','.join(RIGHTS)}")
    return AuthorizedViewer(name=name, key=key, rights=rights)


def _authority(words: list[str]) -> Authority:
    if not is_signing_key(words[1]):
        raise ValueError("expected: authority ed25519:...")
    return Authority(key=words[1])


def _head(words: list[str]) -> tuple[str, str, dict[str, str]]:
    if len(words) < 2 or not is_id(words[0]) or not is_signing_key(words[1]):  # noqa: PLR2004
        raise ValueError("expected a name and a key that begins with ed25519:")
    notes = dict(word.partition("=")[::2] for word in words[2:])
    if len(notes) != len(words) - 2:
        raise ValueError("something stands there twice")
    return words[0], words[1], notes


def _device_line(entry: KnownDevice | Authority) -> str:
    if isinstance(entry, Authority):
        return f"{AUTHORITY} {entry.key}"
    serial = f" serial={entry.serial}" if entry.serial else ""
    return f"{entry.name} {entry.key} v={entry.version}{serial}"


def _device_identity(entry: KnownDevice | Authority) -> Hashable:
    return entry if isinstance(entry, Authority) else entry.name


def _viewer_line(entry: AuthorizedViewer | Authority) -> str:
    if isinstance(entry, Authority):
        return f"{AUTHORITY} {entry.key}"
    if entry.is_revoked:
        return f"{REVOKED} {entry.name} {entry.key}"
    rights = ",".join(right for right in RIGHTS if right in entry.rights)
    return f"{entry.name} {entry.key} rights={rights}"


def _viewer_identity(entry: AuthorizedViewer | Authority) -> Hashable:
    if isinstance(entry, AuthorizedViewer) and not entry.is_revoked:
        return entry.name
    return entry
