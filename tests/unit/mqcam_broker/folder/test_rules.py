from __future__ import annotations

import time

from mqcam.trust.keys import SigningKey
from mqcam_broker.folder.members import Member, Members
from mqcam_broker.folder.rules import member_rules

KEY = SigningKey(bytes(32)).public


def device(name: str) -> Member:
    return Member(kind="device", name=name, password_hash="$7$x", key=KEY, serial="AAAAAAAA")


def viewer(name: str, *cameras: str) -> Member:
    return Member(
        kind="viewer",
        name=name,
        password_hash="$7$x",
        key=KEY,
        serial="AAAAAAAA",
        cameras=cameras,
        rights=("view",),
    )


def rights(name: str, *members: Member) -> list[str]:
    text = member_rules(Members({member.name: member for member in members}), "home")
    block = text.split(f"\nuser {name}\n")[1].split("\n\n")[0]
    return [line.removeprefix("topic ") for line in block.strip().splitlines()]


def test_a_device_is_itself_and_answers_everybody() -> None:
    assert rights("cam1", device("cam1"), device("cam2"), viewer("ann", "cam2")) == [
        "readwrite home/v1/d/cam1/status",
        "read home/v1/d/cam1/in/+/+",
        "write home/v1/v/+/in/cam1/+",
        "read home/v1/owner/state",
    ]


def test_a_viewer_reaches_what_its_grant_covers() -> None:
    cameras = [device(name) for name in ("door-1", "door-2", "garden", "door-10", "cellar")]
    assert rights("ann", *cameras, viewer("ann", "door-?", "porch")) == [
        "read home/v1/v/ann/in/+/+",
        "read home/v1/d/door-1/status",
        "write home/v1/d/door-1/in/ann/+",
        "read home/v1/d/door-2/status",
        "write home/v1/d/door-2/in/ann/+",
        "read home/v1/owner/state",
    ]


def test_every_camera_is_one_pattern_of_the_broker() -> None:
    assert rights("ann", device("cam1"), viewer("ann", "x", "*")) == [
        "read home/v1/v/ann/in/+/+",
        "read home/v1/d/+/status",
        "write home/v1/d/+/in/ann/+",
        "read home/v1/owner/state",
    ]


def test_most_cameras_are_all_but_the_others() -> None:
    cameras = [device(name) for name in ("door-1", "door-2", "garden")]
    assert rights("ann", *cameras, viewer("ann", "door-?")) == [
        "read home/v1/v/ann/in/+/+",
        "read home/v1/d/+/status",
        "write home/v1/d/+/in/ann/+",
        "deny home/v1/d/garden/status",
        "deny home/v1/d/garden/in/ann/+",
        "read home/v1/owner/state",
    ]


def test_a_viewer_of_nothing_reads_its_mailbox() -> None:
    expected = ["read home/v1/v/ann/in/+/+", "read home/v1/owner/state"]
    assert rights("ann", viewer("ann", "nothing-*")) == expected


def test_another_viewer_is_no_camera() -> None:
    assert len(rights("ann", viewer("ann", "b*"), viewer("bob", "b*"))) == 2


def test_only_the_owner_writes_the_owners_state() -> None:
    assert rights("mqcam-owner", device("cam1")) == ["readwrite home/v1/owner/state"]
    text = member_rules(Members({"cam1": device("cam1"), "ann": viewer("ann", "*")}), "home")
    lines = [line for line in text.splitlines() if line.endswith("owner/state")]
    assert [line for line in lines if "write" in line] == ["topic readwrite home/v1/owner/state"]


def test_a_thousand_cameras_and_fifty_viewers_are_quick() -> None:
    everybody = [device(f"cam{i}") for i in range(1000)]
    everybody += [viewer(f"viewer{i}", "c*") for i in range(50)]
    members = Members({member.name: member for member in everybody})
    start = time.process_time()
    member_rules(members, "mqcam")
    assert time.process_time() - start < 2.0
