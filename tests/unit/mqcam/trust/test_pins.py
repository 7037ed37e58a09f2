"""The two files of keys: written, edited by hand, damaged."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import CredentialsError
from mqcam.trust.keys import SigningKey
from mqcam.trust.pins import ENTRIES_MAX, AuthorizedViewer, AuthorizedViewers, KnownDevices

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
    assert KnownDevices(tmp_path / "k").authorities == (TWO,)


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
        f"authority {ONE} v=1",
    ],
)
def test_line_that_cannot_be_read_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    with pytest.raises(CredentialsError, match="line 2"):
        KnownDevices(written(tmp_path / "k", f"# head\n{line}\n"))


@pytest.mark.parametrize("line", [f"laptop {ONE} rights=", f"laptop {ONE} rights=fly", "revoked x"])
def test_rights_that_nobody_knows_are_a_mistake(tmp_path: Path, line: str) -> None:
    with pytest.raises(CredentialsError, match="line 1"):
        AuthorizedViewers(written(tmp_path / "v", line + "\n"))


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_file_stops_with_a_sentence(tmp_path: Path, content: str) -> None:
    with pytest.raises(CredentialsError, match="is empty"):
        KnownDevices(written(tmp_path / "k", content))


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "k", f"front {ONE}\n")
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match="chmod"):
        KnownDevices(path)


def test_number_of_entries_is_bounded(tmp_path: Path) -> None:
    lines = "".join(f"d{number} {ONE} v=1\n" for number in range(ENTRIES_MAX))
    known = KnownDevices(written(tmp_path / "k", lines))
    with pytest.raises(CredentialsError, match="more than"):
        known.pin("one-more", ONE, 1)
