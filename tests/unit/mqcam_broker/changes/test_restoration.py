from __future__ import annotations

import dataclasses
import io
import json
import os
import pwd
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import MqcamError, SetupError
from mqcam_broker.changes.backup import CONTENTS, write_backup
from mqcam_broker.changes.creation import Plan, create
from mqcam_broker.changes.membership import Admission, add_member
from mqcam_broker.changes.restoration import ARCHIVE_MAX_BYTES, Restored, read_archive, restore
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.settings import BrokerDecisions
from mqcam_broker.owner.decree import change_state, read_state, revoke

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture
def made(tmp_path: Path) -> BrokerDirectory:
    made = BrokerDirectory(tmp_path / "broker")
    create(made, Plan(decisions=BrokerDecisions(addresses=("mqtts://nas.local:8883",)), user=USER))
    for name in ("anna", "ben"):
        add_member(made, Admission(kind="viewer", name=name, output=tmp_path / f"{name}.yaml"))
    return made


@pytest.fixture
def archive(made: BrokerDirectory, tmp_path: Path) -> Path:
    file = tmp_path / "b.tar"
    write_backup(made, file, user=USER, state_number=read_state(made).number)
    return file


@pytest.fixture
def place(tmp_path: Path) -> BrokerDirectory:
    return BrokerDirectory(tmp_path / "elsewhere" / "broker")


def back(place: BrokerDirectory, archive: Path, newer: Path | None = None) -> Restored:
    return restore(place, archive, user=USER, newer_state=newer)


def files_of(directory: BrokerDirectory) -> dict[str, tuple[bytes, int]]:
    return {
        path.name: (path.read_bytes(), path.stat().st_mode)
        for path in directory.path.iterdir()
        if path.is_file() and path.name not in {"lock", "mosquitto.conf"}
    }


def packed(file: Path, entries: Mapping[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, "/etc/passwd"
            entry.size = len(content) if kind == tarfile.REGTYPE else 0
            tar.addfile(entry, io.BytesIO(content))
    return file


def test_a_restored_broker_is_the_one_of_the_backup(
    made: BrokerDirectory, archive: Path, place: BrokerDirectory
) -> None:
    done = back(place, archive)
    assert files_of(place) == files_of(made)
    assert place.state.stat().st_mode & 0o777 == 0o700
    assert done.contents.viewers == 2
    assert done.has_owner_key
    assert place.read_owner_key(None).public == made.read_owner()


def test_mosquitto_finds_its_files_in_the_new_place(
    made: BrokerDirectory, archive: Path, place: BrokerDirectory
) -> None:
    back(place, archive)
    configuration = place.configuration.read_text()
    assert str(made.path) not in configuration
    assert f"certfile {place.server_certificate}" in configuration
    assert f"\nuser {USER}\n" in configuration


def test_a_backup_without_the_owners_key_works_until_something_is_signed(
    made: BrokerDirectory, place: BrokerDirectory, tmp_path: Path
) -> None:
    file = tmp_path / "without.tar"
    write_backup(made, file, user=USER, state_number=1, with_owner_key=False)
    done = back(place, file)
    assert not done.has_owner_key
    assert len(place.read_members().by_name) == 2


def test_only_an_empty_place_is_filled(made: BrokerDirectory, archive: Path) -> None:
    before = files_of(made)
    with pytest.raises(SetupError, match="already a broker's directory"):
        back(made, archive)
    assert files_of(made) == before


@pytest.mark.parametrize("name", ["../evil", "/etc/cron.d/evil", "state/x", "ca.crt/../../x", ""])
def test_an_archive_writes_nothing_but_what_we_know(
    name: str, place: BrokerDirectory, tmp_path: Path
) -> None:
    file = packed(tmp_path / "evil.tar", {name: b"evil"})
    with pytest.raises(SetupError, match="no backup of a broker"):
        back(place, file)
    assert not place.path.exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_an_archive_makes_no_links(kind: bytes, place: BrokerDirectory, tmp_path: Path) -> None:
    file = packed(tmp_path / "evil.tar", {"members": b""}, kind)
    with pytest.raises(SetupError, match="no backup of a broker"):
        back(place, file)
    assert not place.path.exists()


def test_an_archive_that_swells_is_refused(place: BrokerDirectory, tmp_path: Path) -> None:
    file = packed(tmp_path / "big.tar", {CONTENTS: bytes(20_000)})
    with pytest.raises(SetupError, match="too large"):
        back(place, file)


def test_a_compressed_archive_is_refused(archive: Path, place: BrokerDirectory) -> None:
    file = archive.with_suffix(".gz")
    with tarfile.open(archive) as plain, tarfile.open(file, "w:gz") as tar:
        for entry in plain:
            tar.addfile(entry, plain.extractfile(entry))
    with pytest.raises(SetupError, match="no backup of a broker"):
        back(place, file)


def test_an_incomplete_archive_leaves_nothing(
    archive: Path, place: BrokerDirectory, tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        entries = {
            entry.name: file.read()
            for entry in tar
            if (file := tar.extractfile(entry)) is not None and entry.name != "ca.key"
        }
    with pytest.raises(MqcamError, match=r"ca\.key is missing"):
        back(place, packed(tmp_path / "part.tar", entries))
    assert not place.path.exists()


def test_a_pipe_in_the_place_of_an_archive_is_refused_at_once(
    place: BrokerDirectory, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(OSError, match="not a regular file"):
        back(place, tmp_path / "pipe.tar")


def test_an_archive_that_fills_the_memory_is_refused(
    place: BrokerDirectory, tmp_path: Path
) -> None:
    """Its header alone may say that it goes on for gigabytes."""
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 8 * 1024**3 - 1
    with (tmp_path / "huge.tar").open("wb") as file:
        file.write(header.tobuf())
        file.truncate(ARCHIVE_MAX_BYTES + 1)
    with pytest.raises(OSError, match="is bigger than"):
        back(place, tmp_path / "huge.tar")


def test_what_an_archive_says_of_itself_moves_no_cursor(
    archive: Path, place: BrokerDirectory, tmp_path: Path
) -> None:
    contents = {**dataclasses.asdict(read_archive(archive)[0]), "made": "\x1b[2Jyesterday"}
    file = packed(tmp_path / "evil.tar", {CONTENTS: json.dumps(contents).encode()})
    with pytest.raises(SetupError, match=r"backup\.json cannot be read"):
        back(place, file)


def test_an_archive_of_a_later_version_is_refused(place: BrokerDirectory, tmp_path: Path) -> None:
    file = packed(tmp_path / "later.tar", {CONTENTS: b'{"version": 2}'})
    with pytest.raises(SetupError, match="another version"):
        back(place, file)


@given(content=st.binary(max_size=3000))
def test_any_file_is_an_archive_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("any") / "any.tar"
    file.write_bytes(content)
    with pytest.raises(SetupError):
        read_archive(file)


def test_what_was_revoked_after_the_backup_stays_revoked(
    made: BrokerDirectory, archive: Path, place: BrokerDirectory, tmp_path: Path
) -> None:
    """A camera has kept the newer word of the owner."""
    ben = made.read_members().by_name["ben"]
    revoke(made, made.read_owner_key(None), ben.serial)
    kept = tmp_path / "front.owner_state"
    kept.write_bytes(made.owner_state.read_bytes())
    done = back(place, archive, kept)
    assert done.shut_out == ("ben",)
    assert set(place.read_members().by_name) == {"anna"}
    assert read_state(place) == read_state(made)
    assert "ben" not in place.passwords.read_text()


def test_an_older_state_changes_nothing(
    made: BrokerDirectory, archive: Path, place: BrokerDirectory, tmp_path: Path
) -> None:
    kept = tmp_path / "front.owner_state"
    kept.write_bytes(made.owner_state.read_bytes())
    assert back(place, archive, kept).shut_out == ()
    assert len(place.read_members().by_name) == 2


def test_a_state_of_somebody_else_is_refused(
    archive: Path, place: BrokerDirectory, tmp_path: Path
) -> None:
    other = BrokerDirectory(tmp_path / "other")
    create(other, Plan(decisions=BrokerDecisions(addresses=("mqtts://x:1",)), user=USER))
    with pytest.raises(SetupError, match="signed by somebody else"):
        back(place, archive, other.owner_state)
    assert not place.path.exists()


def test_an_old_backup_does_not_publish_more_than_the_fleet_has_seen(
    made: BrokerDirectory,
    archive: Path,
    place: BrokerDirectory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its number is the one of the backup; the next change takes the second of its own day."""
    old = read_state(made)
    seen = change_state(made, made.read_owner_key(None), lambda state: state)
    back(place, archive)
    assert read_state(place) == old
    assert old.number < seen.number
    monkeypatch.setattr("time.time", lambda: seen.number + 10.0)
    later = change_state(
        place, place.read_owner_key(None), lambda state: dataclasses.replace(state, ca="")
    )
    assert later.number > seen.number
