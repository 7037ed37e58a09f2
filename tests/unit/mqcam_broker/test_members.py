from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import ConfigError, SetupError, UsageError
from mqcam_broker.members import KINDS, Member, Members

if TYPE_CHECKING:
    from mqcam.credentials import Kind

HASH = "$7$101$c2FsdA==$a2V5"
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)


def member(name: str, kind: Kind = "device") -> Member:
    return Member(kind=kind, name=name, password_hash=HASH)


@given(st.dictionaries(NAMES, st.sampled_from(KINDS)))
def test_what_was_written_is_read_back(kinds: dict[str, Kind]) -> None:
    members = Members({name: member(name, kind) for name, kind in kinds.items()})
    assert Members.parse(members.text(), file="members") == members


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        Members.parse(text, file="members")


def test_every_damaged_line_is_reported() -> None:
    text = f"device cam1 {HASH}\nwhat\nviewer cam1 {HASH}\nviewer a/b {HASH}\n"
    with pytest.raises(ConfigError) as refusal:
        Members.parse(text, file="members")
    assert [problem.line for problem in refusal.value.problems] == [2, 3, 4]
    assert "the name stands here twice" in str(refusal.value)


def test_the_password_file_names_everybody() -> None:
    members = Members().with_member(member("cam1")).with_member(member("alice", "viewer"))
    assert members.password_file() == f"cam1:{HASH}\nalice:{HASH}\n"


@pytest.mark.parametrize("kind", KINDS)
def test_a_name_belongs_to_one_device_or_one_viewer(kind: Kind) -> None:
    members = Members().with_member(member("cam1"))
    with pytest.raises(SetupError, match=r"already the name of a device.*mqcam-broker remove cam1"):
        members.with_member(member("cam1", kind))


def test_who_is_not_there_cannot_be_removed() -> None:
    with pytest.raises(UsageError, match=r"no device or viewer 'bob'.*mqcam-broker list"):
        Members().without("bob")


def test_removing_one_leaves_the_others() -> None:
    members = Members().with_member(member("cam1")).with_member(member("cam2"))
    assert list(members.without("cam1").by_name) == ["cam2"]
    assert list(members.by_name) == ["cam1", "cam2"]


def test_members_are_listed_by_kind_and_name() -> None:
    members = Members()
    for name, kind in (("b", "device"), ("a", "device"), ("c", "viewer")):
        members = members.with_member(member(name, "device" if kind == "device" else "viewer"))
    assert [each.name for each in members.of_kind("device")] == ["a", "b"]


def test_a_hash_is_never_shown() -> None:
    assert HASH not in repr(Members().with_member(member("cam1")))
