from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import ConfigError, SetupError, UsageError
from mqcam.protocol.fields import SECOND_MAX
from mqcam.trust.documents import RIGHTS
from mqcam.trust.keys import SigningKey
from mqcam_broker.folder.members import KINDS, Member, Members
from mqcam_broker.folder.names import OWNER

if TYPE_CHECKING:
    from mqcam.credentials import Kind

HASH = "$7$101$c2FsdA==$a2V5"
KEY = SigningKey(bytes(32)).public
SERIAL = "AAAAAAAA"
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


PATTERNS = st.from_regex(r"[A-Za-z0-9_*?-]{1,64}", fullmatch=True)
GRANTS = st.tuples(
    st.lists(PATTERNS, min_size=1, max_size=4).map(tuple),
    st.lists(st.sampled_from(RIGHTS), min_size=1, unique=True).map(tuple),
    st.none() | st.integers(0, 2**33),
)


def member(name: str, kind: Kind = "device") -> Member:
    made = Member(kind=kind, name=name, password_hash=HASH, key=KEY, serial=SERIAL)
    return made if kind == "device" else replace(made, cameras=("*",), rights=("view",))


@given(st.dictionaries(NAMES, st.sampled_from(KINDS)))
def test_what_was_written_is_read_back(kinds: dict[str, Kind]) -> None:
    members = Members({name: member(name, kind) for name, kind in kinds.items()})
    assert Members.parse(members.text(), file="members") == members


@given(NAMES, GRANTS)
def test_what_a_viewer_may_is_read_back(
    name: str, grant: tuple[tuple[str, ...], tuple[str, ...], int | None]
) -> None:
    cameras, rights, expires = grant
    viewer = replace(member(name, "viewer"), cameras=cameras, rights=rights, expires=expires)
    members = Members().replacing(viewer)
    assert Members.parse(members.text(), file="members").by_name == {name: viewer}


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        Members.parse(text, file="members")


def test_every_damaged_line_is_reported() -> None:
    first = member("cam1").line()
    viewer = member("cam1", "viewer").line()
    text = f"{first}what\n{viewer}{viewer.replace('cam1', 'a/b')}"
    with pytest.raises(ConfigError) as refusal:
        Members.parse(text, file="members")
    assert [problem.line for problem in refusal.value.problems] == [2, 3, 4]
    assert "the name stands here twice" in str(refusal.value)


@pytest.mark.parametrize(
    "damage",
    [
        ("ed25519:", "x25519:"),
        (f" {SERIAL}", " AAAA"),
        (f" {SERIAL}", " AAAA+AAA"),
        (" view ", " watch "),
        (" * ", " a/b "),
        (" -", " tomorrow"),
        (" -", ""),
        ("$7$", "$6$"),
        (" -", f" {SECOND_MAX + 1}"),
        (" -", " " + "9" * 5000),
        (" ann ", f" {OWNER} "),
        ("viewer", "visitor"),
    ],
)
def test_a_line_is_right_in_every_field_or_refused(damage: tuple[str, str]) -> None:
    line = member("ann", "viewer").line()
    Members.parse(line, file="members")
    with pytest.raises(ConfigError, match="the line is damaged"):
        Members.parse(line.replace(*damage), file="members")


@pytest.mark.parametrize("text", ["", "\n", "\0" * 4096])
def test_a_file_that_a_disk_lost_does_not_mean_that_nobody_may_come_in(text: str) -> None:
    """The next member would be the only one, and all others shut out."""
    with pytest.raises(ConfigError, match="is empty"):
        Members.parse(text, file="members")


def test_a_line_without_a_key_says_how_to_get_one() -> None:
    with pytest.raises(ConfigError, match=r"older version.*mqcam-broker add-viewer ann"):
        Members.parse(f"viewer ann {HASH}\n", file="members")


def test_a_name_in_a_line_without_a_key_is_checked_before_it_is_repeated() -> None:
    with pytest.raises(ConfigError, match="the line is damaged"):
        Members.parse(f"viewer a;b {HASH}\n", file="members")


def test_thousands_load_at_once() -> None:
    """One regular expression or one YAML document for all would take seconds."""
    text = Members({f"cam{i}": member(f"cam{i}") for i in range(5000)}).text()
    start = time.process_time()
    assert len(Members.parse(text, file="members").by_name) == 5000
    assert time.process_time() - start < 1.0


def test_the_password_file_names_everybody() -> None:
    members = Members().replacing(member("cam1")).replacing(member("alice", "viewer"))
    assert members.password_file() == f"cam1:{HASH}\nalice:{HASH}\n"


def test_a_name_belongs_to_one_device_or_one_viewer() -> None:
    members = Members().replacing(member("cam1"))
    with pytest.raises(SetupError, match=r"already the name of a device.*mqcam-broker remove cam1"):
        members.check_free("cam1")


def test_who_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(UsageError, match=r"no device or viewer 'bob'.*mqcam-broker list"):
        Members().without("bob")


def test_a_replaced_member_keeps_its_place() -> None:
    members = Members().replacing(member("cam1")).replacing(member("cam2"))
    newer = replace(member("cam1"), serial="BBBBBBBB")
    assert list(members.replacing(newer).by_name.values()) == [newer, member("cam2")]


def test_removing_one_leaves_the_others() -> None:
    members = Members().replacing(member("cam1")).replacing(member("cam2"))
    assert list(members.without("cam1").by_name) == ["cam2"]
    assert list(members.by_name) == ["cam1", "cam2"]


def test_members_are_listed_by_kind_and_name() -> None:
    members = Members()
    for name, kind in (("b", "device"), ("a", "device"), ("c", "viewer")):
        members = members.replacing(member(name, "device" if kind == "device" else "viewer"))
    assert [each.name for each in members.of_kind("device")] == ["a", "b"]


def test_a_hash_is_never_shown() -> None:
    assert HASH not in repr(Members().replacing(member("cam1")))
