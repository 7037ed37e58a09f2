from __future__ import annotations

import json
from datetime import UTC, datetime

from mqcam.trust.keys import SigningKey, fingerprint
from mqcam_broker.folder.members import Member, Members
from mqcam_broker.verbs.listing import lines, values

KEY = SigningKey(bytes(32)).public
NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
HASH = "$7$101$c2FsdA==$a2V5"
CAM = Member(kind="device", name="cam1", password_hash=HASH, key=KEY, serial="AAAAAAAA")


def viewer(name: str, expires: int | None) -> Member:
    return Member(
        kind="viewer",
        name=name,
        password_hash=HASH,
        key=KEY,
        serial="BBBBBBBB",
        cameras=("door-*", "garden"),
        rights=("view", "talk"),
        expires=expires,
    )


def members() -> Members:
    end = int(NOW.timestamp())
    everybody = (viewer("bo", None), viewer("ann", end + 90), viewer("eve", end - 60), CAM)
    return Members({member.name: member for member in everybody})


def test_each_is_shown_with_fingerprint_cameras_rights_and_end() -> None:
    print_ = fingerprint(KEY)
    assert lines(members(), now=NOW) == [
        f"device  cam1  {print_}",
        f"viewer  ann   {print_}  door-*,garden  view,talk  until 2027-03-01 12:01",
        f"viewer  bo    {print_}  door-*,garden  view,talk",
        f"viewer  eve   {print_}  door-*,garden  view,talk  ended 2027-03-01 11:59",
    ]


def test_nobody_makes_no_line() -> None:
    assert lines(Members(), now=NOW) == []


def test_json_says_the_same_and_no_secret() -> None:
    shown = values(members())
    assert shown[1] == {
        "kind": "viewer",
        "name": "ann",
        "key": KEY,
        "fingerprint": fingerprint(KEY),
        "serial": "BBBBBBBB",
        "cameras": ["door-*", "garden"],
        "rights": ["view", "talk"],
        "until": "2027-03-01T12:01:30+00:00",
    }
    assert shown[0]["until"] is None
    assert HASH not in json.dumps(shown)
