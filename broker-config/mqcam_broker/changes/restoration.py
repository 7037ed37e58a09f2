"""A broker's directory out of a backup, in an empty place, checked before it counts.

It must not know the command line. Nothing in the archive decides where a file is written: only
names that we know are taken, and their owners and modes are ours.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mqcam.errors import DocumentRefused, SetupError
from mqcam.files import read_bounded, write_atomically
from mqcam.protocol.topics import Namespace
from mqcam.trust.ownerstate import PAYLOAD_MAX_BYTES, OwnerState, read_owner_state

from mqcam_broker.changes.backup import (
    CONTENTS,
    FILE_MAX_BYTES,
    MODES,
    OWNER_KEY,
    PUBLIC_MODE,
    VERSION,
    Contents,
)
from mqcam_broker.changes.creation import give_to_broker, new_folder, user_named
from mqcam_broker.owner.decree import read_state
from mqcam_broker.shipped import CONFIGURATION

if TYPE_CHECKING:
    import pwd
    from pathlib import Path

    from mqcam_broker.folder.directory import BrokerDirectory

CONTENTS_MAX_BYTES = 16 * 1024
ARCHIVE_MAX_BYTES = 4 * FILE_MAX_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came back; ``shut_out`` are members that a newer state has revoked."""

    contents: Contents
    has_owner_key: bool
    state: OwnerState
    shut_out: tuple[str, ...] = ()


def restore(
    directory: BrokerDirectory, archive: Path, *, user: str, newer_state: Path | None = None
) -> Restored:
    """Make the directory of an archive; raise SetupError, leaving nothing, if that cannot be.

    ``newer_state`` is an owner's state that a camera or viewer has kept: what it revokes stays
    revoked although the backup does not know it yet.
    """
    broker_user = user_named(user)
    contents, files = read_archive(archive)
    with new_folder(directory, broker_user):
        _fill(directory, contents, files, broker_user)
        shut_out = _take_newer(directory, newer_state) if newer_state is not None else ()
        _check_whole(directory, has_owner_key=OWNER_KEY in files)
        return Restored(
            contents=contents,
            has_owner_key=OWNER_KEY in files,
            state=read_state(directory),
            shut_out=shut_out,
        )


def read_archive(archive: Path) -> tuple[Contents, dict[str, bytes]]:
    """Return what an archive holds; raise SetupError for anything that we did not put there."""
    files: dict[str, bytes] = {}
    content = io.BytesIO(read_bounded(archive, limit_bytes=ARCHIVE_MAX_BYTES))
    try:
        with tarfile.open(fileobj=content, mode="r:") as tar:  # uncompressed: nothing can swell
            for entry in tar:
                if entry.name in files or entry.name not in (CONTENTS, *MODES):
                    raise _damaged(archive, f"it holds {entry.name[:80]!r}, which is none of ours")
                limit = CONTENTS_MAX_BYTES if entry.name == CONTENTS else FILE_MAX_BYTES
                file = tar.extractfile(entry) if entry.isreg() and entry.size <= limit else None
                if file is None:
                    raise _damaged(archive, f"its {entry.name} is too large, or no file")
                files[entry.name] = file.read()
    except tarfile.TarError as error:
        raise _damaged(archive, "it cannot be read") from error
    return _read_contents(archive, files.pop(CONTENTS, b"")), files


def _read_contents(archive: Path, text: bytes) -> Contents:
    try:
        values: Any = json.loads(text)
        if isinstance(values, dict) and values.get("version", 0) != VERSION:
            raise SetupError(
                f"{archive} is a backup of another version of mqcam", "restore it with that one"
            )
        contents = Contents(**{each.name: values[each.name] for each in fields(Contents)})
        datetime.fromisoformat(contents.made)  # shown on a terminal, so nothing else
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(archive, f"its {CONTENTS} cannot be read") from error
    kinds = {each.name: int if each.type == "int" else str for each in fields(Contents)}
    if any(type(getattr(contents, name)) is not kind for name, kind in kinds.items()):
        raise _damaged(archive, f"its {CONTENTS} cannot be read")
    return contents


def _fill(
    directory: BrokerDirectory,
    contents: Contents,
    files: dict[str, bytes],
    user: pwd.struct_passwd,
) -> None:
    directory.state.mkdir(mode=0o700, exist_ok=True)
    files = dict(files)
    if CONFIGURATION in files:
        files[CONFIGURATION] = _moved(files[CONFIGURATION], contents, directory.path, user.pw_name)
    for name, content in files.items():
        write_atomically(directory.path / name, content, mode=MODES[name])
    give_to_broker(directory, user)


def _moved(configuration: bytes, contents: Contents, path: Path, user: str) -> bytes:
    """Return mosquitto's configuration for the folder and the user that it has now."""
    text = configuration.decode("utf-8", "replace").replace(f"{contents.directory}/", f"{path}/")
    return re.sub(r"^user .*$", lambda _: f"user {user}", text, flags=re.MULTILINE).encode()


def _take_newer(directory: BrokerDirectory, newer_state: Path) -> tuple[str, ...]:
    """Put the newer state in the place of the old one, and shut out whom it revokes."""
    payload = read_bounded(newer_state, limit_bytes=PAYLOAD_MAX_BYTES)
    topic = Namespace(directory.read_decisions().namespace).owner_state()
    try:
        newer = read_owner_state(payload, topic, owner=directory.read_owner())
    except DocumentRefused as error:
        raise SetupError(
            f"{newer_state}: {error}", "give the file that a camera of this owner has kept"
        ) from error
    if newer.number <= read_state(directory).number:
        return ()
    write_atomically(directory.owner_state, payload, mode=PUBLIC_MODE)
    members = directory.read_members()
    revoked = [each.name for each in members.by_name.values() if each.serial in newer.revoked]
    for name in revoked:
        members = members.without(name)
    directory.write_members(members)
    return tuple(revoked)


def _check_whole(directory: BrokerDirectory, *, has_owner_key: bool) -> None:
    directory.refresh(directory.read_members())
    read_state(directory)
    if has_owner_key:
        directory.read_owner_key(None)


def _damaged(archive: Path, what: str) -> SetupError:
    return SetupError(f"{archive} is no backup of a broker: {what}", "give another file")
