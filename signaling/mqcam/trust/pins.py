"""Who is believed without, or against, an owner's word: two small files in the manner of ssh.

They must not know protocols: a name, a key and what is noted beside it, one entry a line. People
may edit them; a line that cannot be read stops the program with its number.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from mqcam import files
from mqcam.errors import CredentialsError
from mqcam.protocol.topics import is_id
from mqcam.trust.documents import RIGHTS
from mqcam.trust.keys import is_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ENTRIES_MAX = 4096
AUTHORITY = "authority"
REVOKED = "revoked"

_FILE_MAX_BYTES = 1024 * 1024
_VERSION_MAX = 2**31


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
    """A viewer with rights of its own, or, where ``is_revoked``, without any."""

    name: str
    key: str
    rights: frozenset[str] = frozenset()
    is_revoked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A key whose signature counts like an owner's."""

    key: str


_Entry = TypeVar("_Entry", KnownDevice, AuthorizedViewer)


class _PinFile(Generic[_Entry]):
    """Entries of one kind in one file; each write keeps what other programs wrote meanwhile."""

    def __init__(
        self,
        path: Path,
        *,
        parse: Callable[[list[str]], _Entry | Authority],
        text: Callable[[_Entry], str],
        header: str,
    ) -> None:
        self.path = path
        self._parse: Callable[[list[str]], _Entry | Authority] = parse
        self._text: Callable[[_Entry], str] = text
        self._header = header
        self.entries: list[_Entry]
        self.authorities: tuple[str, ...]
        self.entries, self.authorities = self._read()

    def find(self, name: str) -> list[_Entry]:
        """Return the entries of one name."""
        return [entry for entry in self.entries if entry.name == name]

    def change(self, edit: Callable[[list[_Entry]], list[_Entry]]) -> None:
        """Edit what the file holds by now and replace it; raise CredentialsError."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(self.path):
                entries, self.authorities = self._read()
                self.entries = edit(entries)
                if len(self.entries) > ENTRIES_MAX:
                    raise CredentialsError(str(self.path), f"holds more than {ENTRIES_MAX} names")
                lines = [f"{AUTHORITY} {key}\n" for key in self.authorities]
                lines += [f"{self._text(entry)}\n" for entry in self.entries]
                files.write_atomically(self.path, (self._header + "".join(lines)).encode())
        except OSError as error:
            raise CredentialsError(str(self.path), files.reason(error)) from error

    def _read(self) -> tuple[list[_Entry], tuple[str, ...]]:
        try:
            content = files.read_private(self.path, limit_bytes=_FILE_MAX_BYTES)
        except FileNotFoundError:
            return [], ()
        except OSError as error:
            raise CredentialsError(str(self.path), files.reason(error)) from error
        if not content.strip():
            raise CredentialsError(
                str(self.path), "is empty: take it from a backup, or delete it to begin anew"
            )
        entries: list[_Entry] = []
        authorities: list[str] = []
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                found = self._parse(words)
            except ValueError as error:
                raise CredentialsError(
                    str(self.path), f"line {number}: {error}; correct or delete the line"
                ) from None
            if isinstance(found, Authority):
                authorities.append(found.key)
            else:
                entries.append(found)
        return entries, tuple(authorities)


class KnownDevices:
    """The devices that a viewer has seen vouched for (``known_devices``)."""

    def __init__(self, path: Path) -> None:
        self._file: _PinFile[KnownDevice] = _PinFile(
            path,
            parse=_known_device,
            text=_device_line,
            header="# Cameras by the key that they had when somebody vouched for them.\n",
        )

    @property
    def path(self) -> Path:
        """Return where the entries are kept."""
        return self._file.path

    @property
    def authorities(self) -> tuple[str, ...]:
        """Return the keys whose signature on a certificate counts, beside the owner's."""
        return self._file.authorities

    def find(self, name: str) -> KnownDevice | None:
        """Return what is known of a device."""
        return next(iter(self._file.find(name)), None)

    def key(self, name: str) -> str | None:
        """Return the key of a device that was vouched for."""
        found = self.find(name)
        return None if found is None else found.key

    def pin(self, name: str, key: str, version: int, *, serial: str = "") -> None:
        """Keep a device's key and version; raise CredentialsError where that cannot be written."""
        pinned = KnownDevice(name=name, key=key, version=version, serial=serial)
        self._file.change(lambda all_: [*(one for one in all_ if one.name != name), pinned])


class AuthorizedViewers:
    """The viewers whom this device knows by itself (``authorized_viewers``)."""

    def __init__(self, path: Path) -> None:
        self._file: _PinFile[AuthorizedViewer] = _PinFile(
            path,
            parse=_authorized_viewer,
            text=_viewer_line,
            header="# Viewers who were let in at this camera, or shut out of it.\n",
        )

    @property
    def path(self) -> Path:
        """Return where the entries are kept."""
        return self._file.path

    @property
    def authorities(self) -> tuple[str, ...]:
        """Return the keys whose signature on a grant counts, beside the owner's."""
        return self._file.authorities

    def entries(self) -> tuple[AuthorizedViewer, ...]:
        """Return everybody who is named, shut out or let in."""
        return tuple(self._file.entries)

    def find(self, name: str) -> tuple[AuthorizedViewer, ...]:
        """Return the entries of one name: at most one that lets in, any number that shut out."""
        return tuple(self._file.find(name))

    def add(self, name: str, key: str, rights: frozenset[str]) -> None:
        """Let a viewer in; replaces what let that name in before and what shut that key out."""
        added = AuthorizedViewer(name=name, key=key, rights=rights)
        self._file.change(
            lambda all_: [
                *(o for o in all_ if o.name != name or (o.is_revoked and o.key != key)),
                added,
            ]
        )

    def revoke(self, name: str, key: str) -> None:
        """Shut a viewer's key out, whatever its grant says."""
        revoked = AuthorizedViewer(name=name, key=key, is_revoked=True)
        self._file.change(
            lambda all_: [*(o for o in all_ if (o.name, o.key) != (name, key)), revoked]
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the file against other programs of this account; a write takes milliseconds."""
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _known_device(words: list[str]) -> KnownDevice | Authority:
    if words[0] == AUTHORITY:
        return _authority(words)
    name, key, notes = _head(words)
    version, serial = notes.pop("v", "1"), notes.pop("serial", "")
    if notes or not version.isdecimal() or not 1 <= int(version) <= _VERSION_MAX:
        raise ValueError("expected: NAME ed25519:... v=1")
    return KnownDevice(name=name, key=key, version=int(version), serial=serial)


def _authorized_viewer(words: list[str]) -> AuthorizedViewer | Authority:
    if words[0] == AUTHORITY:
        return _authority(words)
    if words[0] == REVOKED and len(words) == 3:  # noqa: PLR2004  # the word, a name, a key
        name, key, _ = _head(words[1:])
        return AuthorizedViewer(name=name, key=key, is_revoked=True)
    name, key, notes = _head(words)
    rights = frozenset(filter(None, notes.pop("rights", "view").split(",")))
    if notes or not rights or not rights <= set(RIGHTS):
        raise ValueError(f"expected: NAME ed25519:... rights= and some of {','.join(RIGHTS)}")
    return AuthorizedViewer(name=name, key=key, rights=rights)


def _authority(words: list[str]) -> Authority:
    if len(words) != 2 or not is_signing_key(words[1]):  # noqa: PLR2004  # the word and a key
        raise ValueError("expected: authority ed25519:...")
    return Authority(key=words[1])


def _head(words: list[str]) -> tuple[str, str, dict[str, str]]:
    if len(words) < 2 or not is_id(words[0]) or not is_signing_key(words[1]):  # noqa: PLR2004
        raise ValueError("expected a name and a key that begins with ed25519:")
    notes = dict(word.partition("=")[::2] for word in words[2:])
    if len(notes) != len(words) - 2:
        raise ValueError("something stands there twice")
    return words[0], words[1], notes


def _device_line(device: KnownDevice) -> str:
    serial = f" serial={device.serial}" if device.serial else ""
    return f"{device.name} {device.key} v={device.version}{serial}"


def _viewer_line(viewer: AuthorizedViewer) -> str:
    if viewer.is_revoked:
        return f"{REVOKED} {viewer.name} {viewer.key}"
    rights = ",".join(right for right in RIGHTS if right in viewer.rights)
    return f"{viewer.name} {viewer.key} rights={rights}"
