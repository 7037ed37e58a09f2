"""Who is believed without, or against, an owner's word: two small files in the manner of ssh.

They must not know protocols: a name, a key and what is noted beside it. People may edit them; a
line that cannot be read stops the program with its number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from mqcam.errors import CredentialsError
from mqcam.protocol.topics import is_id
from mqcam.trust.documents import RIGHTS, is_serial
from mqcam.trust.entries import ENTRIES_MAX, EntryFile, Form
from mqcam.trust.keys import is_signing_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

AUTHORITY = "authority"
FORMER = "former"
REVOKED = "revoked"
FORMER_MAX = 256
"""Former keys of all devices that are remembered; the one with the lowest version makes room."""

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
class FormerKey:
    """A key that a device had, and the highest wire version that it signed, above 1.

    It vouches for nobody: where the owner's word brings the key back, its version counts again.
    """

    name: str
    key: str
    version: int


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


DeviceEntry: TypeAlias = "KnownDevice | FormerKey | Authority"

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class KnownDevices:
    """The devices that a viewer has seen vouched for (``known_devices``).

    Raises CredentialsError for a file that cannot be used; one that is not there knows nobody.
    """

    def __init__(self, path: Path) -> None:
        self._file: EntryFile[DeviceEntry] = EntryFile(
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
        self._former_noticed: dict[tuple[str, str], FormerKey] = {}
        self._former: dict[tuple[str, str], FormerKey] = {}
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

    def highest_version(self, name: str, key: str) -> int:
        """Return the highest wire version that a key of a device was seen to sign, at least 1."""
        pins = (self._noticed.get(name), self._devices.get(name))
        formers = (each.get((name, key)) for each in (self._former_noticed, self._former))
        seen = (each.version for each in (*pins, *formers) if each is not None and each.key == key)
        return max(seen, default=1)

    def pin(self, name: str, key: str, version: int, *, serial: str = "") -> None:
        """Keep a device over the next power cut; raise CredentialsError if it cannot be written."""
        self.notice(KnownDevice(name=name, key=key, version=version, serial=serial))
        self.save()

    def notice(self, device: KnownDevice) -> None:
        """Know a device from now on; ``save`` writes it. CredentialsError when there are too many.

        It replaces what was known under its name; of another key the version stays known.
        """
        old = self.find(device.name)
        if old is None and len(self._devices) + len(self._noticed) >= ENTRIES_MAX - FORMER_MAX:
            raise CredentialsError(str(self.path), f"holds more than {ENTRIES_MAX} entries")
        if old is not None:
            _retire(old, device, self._former_noticed)
        highest = max(device.version, self.highest_version(device.name, device.key))
        self._noticed[device.name] = replace(device, version=highest)

    def save(self) -> None:
        """Write what was noticed, beside what other programs wrote; may run in a thread.

        Raises CredentialsError; what was noticed stays known, and the next call tries again.
        """
        noticed, former = dict(self._noticed), dict(self._former_noticed)
        if not noticed:
            return
        self._take(self._file.change(lambda entries: _merged(entries, noticed, former)))
        _settle(self._noticed, noticed)
        _settle(self._former_noticed, former)

    def _take(self, entries: Sequence[DeviceEntry]) -> None:
        self._devices = {each.name: each for each in entries if isinstance(each, KnownDevice)}
        self._former = _former_of(entries)
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
    entries: Sequence[DeviceEntry],
    noticed: Mapping[str, KnownDevice],
    former_noticed: Mapping[tuple[str, str], FormerKey],
) -> list[DeviceEntry]:
    """Return the entries of the file with what was noticed; no version of any key is lowered."""
    pins = {each.name: each for each in entries if isinstance(each, KnownDevice)}
    former = _former_of(entries)
    for each in former_noticed.values():
        _retire(each, None, former)
    for device in noticed.values():
        # Another program may have met the device after an update, or with another key.
        old, again = pins.get(device.name), former.pop((device.name, device.key), None)
        if old is not None:
            _retire(old, device, former)
        seen = [each.version for each in (old, again) if each and each.key == device.key]
        pins[device.name] = replace(device, version=max(device.version, *seen, 1))
    authorities = [each for each in entries if isinstance(each, Authority)]
    return [*authorities, *pins.values(), *former.values()]


def _retire(
    old: KnownDevice | FormerKey,
    new: KnownDevice | None,
    former: dict[tuple[str, str], FormerKey],
) -> None:
    """Remember the version of a key that gives way to another one."""
    if old.version == 1 or (new is not None and new.key == old.key):
        return
    before = former.get((old.name, old.key))
    version = old.version if before is None else max(old.version, before.version)
    former[old.name, old.key] = FormerKey(name=old.name, key=old.key, version=version)
    if len(former) > FORMER_MAX:
        del former[min(former, key=lambda each: former[each].version)]


def _settle(waiting: dict[_Key, _Value], written: Mapping[_Key, _Value]) -> None:
    """Take out what was written, and is still the latest."""
    for key, value in written.items():
        if waiting.get(key) is value:
            del waiting[key]


def _former_of(entries: Sequence[DeviceEntry]) -> dict[tuple[str, str], FormerKey]:
    return {(each.name, each.key): each for each in entries if isinstance(each, FormerKey)}


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


def _known_device(words: list[str]) -> DeviceEntry:
    if words[0] == AUTHORITY and len(words) == 2:  # noqa: PLR2004  # a device has its v= too
        return _authority(words)
    # A device of this name has its key for the second word.
    is_former = words[0] == FORMER and len(words) == 4 and is_id(words[1])  # noqa: PLR2004
    name, key, notes = _head(words[1:] if is_former else words)
    version, serial = notes.pop("v", "1"), notes.pop("serial", "")
    is_version = _VERSION.fullmatch(version) is not None and int(version) <= VERSION_MAX
    if notes or not is_version or (serial and (is_former or not is_serial(serial))):
        raise ValueError("expected: NAME ed25519:... v=1")
    if is_former:
        return FormerKey(name=name, key=key, version=int(version))
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


def _device_line(entry: DeviceEntry) -> str:
    if isinstance(entry, Authority):
        return f"{AUTHORITY} {entry.key}"
    if isinstance(entry, FormerKey):
        return f"{FORMER} {entry.name} {entry.key} v={entry.version}"
    serial = f" serial={entry.serial}" if entry.serial else ""
    return f"{entry.name} {entry.key} v={entry.version}{serial}"


def _device_identity(entry: DeviceEntry) -> Hashable:
    if isinstance(entry, FormerKey):
        return (entry.name, entry.key)
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
