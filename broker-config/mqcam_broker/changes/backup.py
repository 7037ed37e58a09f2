"""One archive of everything that a broker's directory holds and that cannot be made again.

It must not know the command line, nor how a directory is made of an archive (``restoration``).
What mosquitto itself keeps is left out: statuses come again by themselves.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mqcam.errors import SetupError
from mqcam.files import read_bounded

from mqcam_broker.shipped import CONFIGURATION, MEMBER_RULES, RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mqcam_broker.folder.directory import BrokerDirectory

CONTENTS = "backup.json"
"""The first file of an archive: what the others are."""
VERSION = 1
OWNER_KEY = "owner.key"
MEMBERS = "members"
PUBLIC_MODE, SECRET_MODE = 0o644, 0o600
MODES: Mapping[str, int] = {
    "broker.yaml": PUBLIC_MODE,
    "ca-next.key": SECRET_MODE,
    "ca.crt": PUBLIC_MODE,
    "ca.key": SECRET_MODE,
    CONFIGURATION: PUBLIC_MODE,
    RULES: SECRET_MODE,
    MEMBER_RULES: SECRET_MODE,
    MEMBERS: SECRET_MODE,
    OWNER_KEY: SECRET_MODE,
    "owner.password": SECRET_MODE,
    "owner.pub": PUBLIC_MODE,
    "owner.state": PUBLIC_MODE,
    "passwd": SECRET_MODE,
    "server.crt": PUBLIC_MODE,
    "server.key": SECRET_MODE,
    "turn.secret": SECRET_MODE,
    "turn.yaml": PUBLIC_MODE,
}
"""Every file that an archive may hold, and its mode in a directory."""
FILE_MAX_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an archive says of itself; ``made`` is an ISO 8601 moment."""

    made: str
    directory: str
    user: str
    """Who ran the broker."""
    devices: int
    viewers: int
    state: int
    """The number of the owner's state."""
    version: int = VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """An archive that was made."""

    file: Path
    contents: Contents
    names: tuple[str, ...]

    @property
    def has_owner_key(self) -> bool:
        """Tell whether whoever has the archive can sign as the owner."""
        return OWNER_KEY in self.names


def write_backup(
    directory: BrokerDirectory,
    output: Path,
    *,
    user: str,
    state_number: int,
    with_owner_key: bool = True,
) -> Backup:
    """Write the archive, readable by its owner only; raise SetupError if ``output`` exists."""
    with directory.locked():
        members = directory.read_members()
        contents = Contents(
            made=datetime.now(UTC).isoformat(timespec="seconds"),
            directory=str(directory.path),
            user=user,
            devices=len(members.of_kind("device")),
            viewers=len(members.of_kind("viewer")),
            state=state_number,
        )
        files = {
            name: read_bounded(directory.path / name, limit_bytes=FILE_MAX_BYTES)
            for name in MODES
            if (directory.path / name).is_file() and (with_owner_key or name != OWNER_KEY)
        }
    _write_new(output, _archive(contents, files))
    return Backup(file=output, contents=contents, names=tuple(files))


def _archive(contents: Contents, files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    described = json.dumps(asdict(contents), indent=2).encode() + b"\n"
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in {CONTENTS: described, **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = MODES.get(name, SECRET_MODE)
            entry.mtime = int(datetime.fromisoformat(contents.made).timestamp())
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()


def _write_new(output: Path, content: bytes) -> None:
    """Write a file that was not there; nothing is left of it when that fails."""
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, SECRET_MODE)
    except FileExistsError as error:
        raise SetupError(
            f"{output} exists already and may be the only backup", "give the name of a new file"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), SECRET_MODE)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            output.unlink()
        raise
