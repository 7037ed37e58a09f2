"""The two files of keys: written, edited by hand, damaged."""

from __future__ import annotations

import errno
import fcntl
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from mqcam import files
from mqcam.errors import CredentialsError
from mqcam.trust.entries import ENTRIES_MAX, EntryFile, Form
from mqcam.trust.keys import SigningKey
from mqcam.trust.pins import (
    AUTHORITY,
    FORMER,
    FORMER_MAX,
    REVOKED,
    AuthorizedViewer,
    AuthorizedViewers,
    KnownDevice,
    KnownDevices,
)

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = SigningKey(b"1" * 32).public, SigningKey(b"2" * 32).public
VIEW = frozenset({"view"})


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_absent_file_is_nobody_yet_and_the_first_entry_makes_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "known_devices"
    known = KnownDevices(path)
    assert known.key("front") is None
    known.pin("front", ONE, 2, serial="serial01")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = KnownDevices(path).find("front")
    assert found is not None
    assert (found.key, found.version, found.serial) == (ONE, 2, "serial01")


def test_pin_replaces_the_one_before_and_keeps_what_another_program_wrote(tmp_path: Path) -> None:
    first, second = KnownDevices(tmp_path / "k"), KnownDevices(tmp_path / "k")
    first.pin("front", ONE, 1)
    second.pin("back", TWO, 1)
    first.pin("front", TWO, 1)
    again = KnownDevices(tmp_path / "k")
    assert (again.key("front"), again.key("back")) == (TWO, TWO)


def test_viewers_are_let_in_shut_out_and_let_in_again(tmp_path: Path) -> None:
    viewers = AuthorizedViewers(tmp_path / "v")
    viewers.add("laptop", ONE, frozenset({"talk", "view"}))
    viewers.add("phone", TWO, VIEW)
    assert (tmp_path / "v").read_text().splitlines()[1:] == [
        f"laptop {ONE} rights=view,talk",
        f"phone {TWO} rights=view",
    ]
    viewers.revoke("laptop", ONE)
    viewers.revoke("laptop", ONE)
    shut_out = AuthorizedViewer(name="laptop", key=ONE, is_revoked=True)
    assert AuthorizedViewers(tmp_path / "v").find("laptop") == (shut_out,)
    viewers.add("laptop", ONE, VIEW)
    assert viewers.find("laptop") == (AuthorizedViewer(name="laptop", key=ONE, rights=VIEW),)


def test_people_may_write_comments_blank_lines_and_authorities(tmp_path: Path) -> None:
    text = f"# mine\n\n  front   {ONE}\nauthority {TWO}\n"
    known = KnownDevices(written(tmp_path / "k", text))
    assert (known.key("front"), known.authorities) == (ONE, (TWO,))
    known.pin("back", ONE, 1)
    assert (tmp_path / "k").read_text() == f"{text}back {ONE} v=1\n"
    assert KnownDevices(tmp_path / "k").authorities == (TWO,)


def test_what_people_write_in_other_letters_stays_as_it_is(tmp_path: Path) -> None:
    """An editor of another age writes Latin-1, another one a mark before the first word."""
    path = tmp_path / "k"
    path.write_bytes(b"\xef\xbb\xbf# caf\xe9 \xe2\x80\xa8 x\r\nfront " + ONE.encode() + b"\r\n")
    KnownDevices(path).pin("back", TWO, 1)
    assert b"# caf\xe9 \xe2\x80\xa8 x\r\nfront " in path.read_bytes()
    assert KnownDevices(path).key("front") == ONE


def test_two_lines_about_the_same_one_are_a_mistake(tmp_path: Path) -> None:
    """Which of two keys counts is nothing to guess."""
    text = f"front {ONE} v=1\nfront {TWO} v=1\n"
    with pytest.raises(CredentialsError, match="line 2: line 1 speaks of the same one"):
        KnownDevices(written(tmp_path / "k", text))
    text = f"revoked a {ONE}\na {TWO}\nrevoked a {TWO}\na {ONE} rights=view\n"
    with pytest.raises(CredentialsError, match="line 4: line 2 speaks"):
        AuthorizedViewers(written(tmp_path / "v", text))


@pytest.mark.parametrize("name", [AUTHORITY, FORMER, REVOKED, "-", "v", "_" * 64])
def test_any_name_survives_its_file(tmp_path: Path, name: str) -> None:
    """An owner may call a camera what he likes: it must not damage the file for the next start."""
    known, viewers = KnownDevices(tmp_path / "k"), AuthorizedViewers(tmp_path / "v")
    known.pin(name, TWO, 2)
    known.pin(name, ONE, 1)
    assert KnownDevices(tmp_path / "k").key(name) == ONE
    assert KnownDevices(tmp_path / "k").highest_version(name, TWO) == 2
    assert KnownDevices(tmp_path / "k").authorities == ()
    viewers.add(name, ONE, VIEW)
    viewers.revoke(name, TWO)
    assert AuthorizedViewers(tmp_path / "v").entries() == viewers.entries()
    assert [each.is_revoked for each in viewers.find(name)] == [False, True]
    assert viewers.names == (name,)


def test_key_that_gives_way_keeps_its_version_and_vouches_for_nobody(tmp_path: Path) -> None:
    known = KnownDevices(tmp_path / "k")
    known.pin("front", ONE, 3)
    known.pin("front", TWO, 1)
    assert (tmp_path / "k").read_text().splitlines()[1:] == [
        f"front {TWO} v=1",
        f"former front {ONE} v=3",
    ]
    again = KnownDevices(tmp_path / "k")
    assert again.key("front") == TWO
    assert [again.highest_version("front", key) for key in (ONE, TWO)] == [3, 1]
    again.pin("front", ONE, 1)
    assert (tmp_path / "k").read_text().splitlines()[1:] == [f"front {ONE} v=3"]


def test_key_that_another_program_replaced_keeps_its_version(tmp_path: Path) -> None:
    first, second = KnownDevices(tmp_path / "k"), KnownDevices(tmp_path / "k")
    first.pin("front", ONE, 3)
    second.pin("front", TWO, 1)
    assert KnownDevices(tmp_path / "k").highest_version("front", ONE) == 3
    first.pin("front", ONE, 1)
    assert KnownDevices(tmp_path / "k").find("front") == KnownDevice(
        name="front", key=ONE, version=3
    )


def test_former_keys_are_bounded_and_the_lowest_version_makes_room(tmp_path: Path) -> None:
    known = KnownDevices(tmp_path / "k")
    keys = [SigningKey(bytes((1, n % 256)) * 16).public for n in range(FORMER_MAX)]
    for version, key in enumerate(keys, start=3):
        known.notice(KnownDevice(name="front", key=key, version=version))
    known.notice(KnownDevice(name="front", key=ONE, version=2))
    known.pin("front", TWO, 1)
    again = KnownDevices(tmp_path / "k")
    assert [again.highest_version("front", key) for key in keys] == list(range(3, 3 + FORMER_MAX))
    assert again.highest_version("front", ONE) == 1


def test_device_that_two_programs_meet_keeps_the_highest_version(tmp_path: Path) -> None:
    first, second = KnownDevices(tmp_path / "k"), KnownDevices(tmp_path / "k")
    first.pin("front", ONE, 3)
    second.pin("front", ONE, 2, serial="serial01")
    assert KnownDevices(tmp_path / "k").find("front") == KnownDevice(
        name="front", key=ONE, version=3, serial="serial01"
    )
    second.pin("front", TWO, 1)
    found = KnownDevices(tmp_path / "k").find("front")
    assert found == KnownDevice(name="front", key=TWO, version=1)


def test_noticed_device_is_known_at_once_and_again_after_a_write_that_failed(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "new"
    known = KnownDevices(folder / "k")
    folder.write_text("")
    known.notice(KnownDevice(name="front", key=ONE))
    with pytest.raises(CredentialsError):
        known.save()
    assert known.key("front") == ONE
    folder.unlink()
    known.save()
    known.save()
    assert KnownDevices(folder / "k").key("front") == ONE


def test_key_is_shut_out_under_every_name_and_let_in_under_the_one_it_has_now(
    tmp_path: Path,
) -> None:
    viewers = AuthorizedViewers(tmp_path / "v")
    viewers.add("laptop", ONE, VIEW)
    viewers.revoke("notebook", ONE)
    assert viewers.is_shut_out(ONE)
    assert viewers.find("laptop") == ()
    viewers.add("laptop", ONE, VIEW)
    assert not viewers.is_shut_out(ONE)
    assert viewers.entries() == (AuthorizedViewer(name="laptop", key=ONE, rights=VIEW),)


def test_viewer_is_shut_out_even_where_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    viewers = AuthorizedViewers(folder / "v")
    viewers.add("laptop", ONE, VIEW)
    (folder / "v").write_text("damaged\n")
    with pytest.raises(CredentialsError, match="line 1"):
        viewers.revoke("laptop", ONE)
    assert viewers.is_shut_out(ONE)
    with pytest.raises(CredentialsError, match="line 1"):
        viewers.add("phone", TWO, VIEW)
    assert viewers.find("phone") == ()


def test_programs_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for number in range(12):
            pool.submit(KnownDevices(tmp_path / "k").pin, f"c{number}", ONE, 1)
    assert all(KnownDevices(tmp_path / "k").key(f"c{number}") for number in range(12))


def test_program_that_holds_the_file_and_stopped_is_not_waited_for(tmp_path: Path) -> None:
    place = EntryFile(
        tmp_path / "k",
        Form(header="# x", parse=" ".join, text=str, identity=str),
        lock_wait_s=0.0,
    )
    place.change(lambda _: ["one"])
    with (tmp_path / ".k.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CredentialsError, match="held by another program"):
            place.change(lambda _: ["two"])
    assert place.read() == ("one",)


@pytest.mark.parametrize(
    "line",
    [
        "front",
        "front ed25519:short",
        f"fr/ont {ONE}",
        f"front {ONE} v=0",
        f"front {ONE} v=x",
        f"front {ONE} rights=view",
        f"front {ONE} v=1 v=2",
        "authority",
        f"authority {ONE} serial=x",
        f"front {ONE} v=99999999999",
        f"front {ONE} v=\u0661",
        f"front {ONE} serial=short",
        f"front {ONE[:-1]}",
        f"front {ONE}\0",
        f"front x{ONE}",
        "ed25519-secret:" + "A" * 43,
    ],
)
def test_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(CredentialsError, match=r"line 2: .+; correct or delete") as caught:
        KnownDevices(written(tmp_path / "k", f"# head\n{line}\n"))
    assert "AAA" not in str(caught.value)


@pytest.mark.parametrize("line", [f"laptop {ONE} rights=", f"laptop {ONE} rights=fly", "revoked x"])
def test_rights_that_nobody_knows_are_a_mistake(tmp_path: Path, line: str) -> None:
    with pytest.raises(CredentialsError, match="line 1"):
        AuthorizedViewers(written(tmp_path / "v", line + "\n"))


@pytest.mark.parametrize("content", ["", "\n \n", "\0" * 200])
def test_empty_file_stops_with_a_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(CredentialsError, match="is empty"):
        KnownDevices(written(tmp_path / "k", content))


def test_file_that_others_may_change_is_refused_and_one_that_they_may_read_is_not(
    tmp_path: Path,
) -> None:
    """It holds no secret, and an editor leaves 0644."""
    path = written(tmp_path / "k", f"front {ONE}\n")
    path.chmod(0o644)
    assert KnownDevices(path).key("front") == ONE
    path.chmod(0o664)
    with pytest.raises(CredentialsError, match="chmod 600"):
        KnownDevices(path)


def test_revocation_that_could_not_be_written_is_with_the_next_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read again then must not let the viewer in once more."""
    viewers = AuthorizedViewers(tmp_path / "v")
    viewers.add("laptop", ONE, VIEW)

    def full(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "full", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_atomically", full)
        for _ in range(2):
            with pytest.raises(CredentialsError, match="full"):
                viewers.revoke("laptop", ONE)
    assert viewers.is_shut_out(ONE)
    viewers.add("phone", TWO, VIEW)
    assert viewers.is_shut_out(ONE)
    assert AuthorizedViewers(tmp_path / "v").entries() == (
        AuthorizedViewer(name="laptop", key=ONE, is_revoked=True),
        AuthorizedViewer(name="phone", key=TWO, rights=VIEW),
    )


def test_number_of_entries_is_bounded(tmp_path: Path) -> None:
    lines = "".join(f"d{number} {ONE} v=1\n" for number in range(ENTRIES_MAX))
    known = KnownDevices(written(tmp_path / "k", lines))
    with pytest.raises(CredentialsError, match="more than"):
        known.pin("one-more", ONE, 1)
