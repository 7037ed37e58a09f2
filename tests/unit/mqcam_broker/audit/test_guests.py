from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.broker import BrokerAddress
from mqcam.credentials import Credentials
from mqcam.protocol.topics import Namespace
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey
from mqcam_broker.audit.caller import Account, Door
from mqcam_broker.audit.guests import (
    LETTER,
    Guest,
    guest_of,
    may_hear,
    trials,
    will_topic,
)
from mqcam_broker.audit.inspection import new_ghosts

if TYPE_CHECKING:
    from mqcam.credentials import Kind

TOPICS = Namespace()
GHOSTS = new_ghosts()
DOOR = Door(address=BrokerAddress.parse("mqtt://127.0.0.1:1883"))
OWNER = SigningKey.generate()


def guest(kind: Kind, name: str, cameras: tuple[str, ...] = ("*",)) -> Guest:
    key = SigningKey.generate().public
    grant = Grant(name=name, key=key, serial="AAAAAAAA", cameras=cameras)
    credentials = Credentials(
        kind=kind,
        name=name,
        broker=("mqtt://127.0.0.1",),
        username=name,
        password="secret",
        owner=OWNER.public,
        grant=grant.issue(OWNER, "mqcam") if kind == "viewer" else None,
    )
    return guest_of(DOOR, credentials)


ANNA, FRONT = guest("viewer", "anna"), guest("device", "front")
NOBODY = Guest(door=DOOR, account=Account())
EVERYBODY = [ANNA, FRONT, NOBODY]


@pytest.mark.parametrize("who", EVERYBODY, ids=lambda who: who.who)
def test_trials_are_what_the_shipped_rules_forbid(who: Guest) -> None:
    """Who may write where, by the topic alone: the writer's name stands in it."""
    for trial in trials(who, EVERYBODY, TOPICS, GHOSTS):
        place = TOPICS.parse(trial.topic)
        if trial.check == LETTER:
            assert place is not None
            assert who.name in {place.device, place.viewer}
            assert not may_hear(who, trial.topic, TOPICS)
        elif place is not None:
            writer = {"to-device": place.viewer, "to-viewer": place.device}
            assert writer.get(place.kind.value, GHOSTS.device) != who.name


def test_a_stranger_has_no_letters_to_write() -> None:
    checks = {trial.check for trial in trials(NOBODY, EVERYBODY, TOPICS, GHOSTS)}
    assert LETTER not in checks


def test_a_viewer_writes_only_to_cameras_that_it_was_granted() -> None:
    ben = guest("viewer", "ben", ("back",))
    checks = {trial.check for trial in trials(ben, [ben, FRONT], TOPICS, GHOSTS)}
    assert LETTER not in checks


@pytest.mark.parametrize("who", [ANNA, FRONT])
def test_a_forged_will_goes_where_its_maker_hears_it(who: Guest) -> None:
    assert may_hear(who, will_topic(who, TOPICS, GHOSTS), TOPICS)


@pytest.mark.parametrize(
    ("who", "topic", "is_meant"),
    [
        (ANNA, "mqcam/v1/v/anna/in/front/s", True),
        (ANNA, "mqcam/v1/v/ben/in/front/s", False),
        (ANNA, "mqcam/v1/d/front/in/ben/s", False),
        (ANNA, "mqcam/v1/d/front/status", True),
        (ANNA, "mqcam/v1/owner/state", True),
        (ANNA, "mqcam/v1/v/anna/in/front/s/more", False),
        (ANNA, "$SYS/broker/version", False),
        (ANNA, "zigbee/lamp", False),
        (FRONT, "mqcam/v1/d/front/in/ben/s", True),
        (FRONT, "mqcam/v1/d/back/in/ben/s", False),
        (NOBODY, "mqcam/v1/d/front/status", False),
    ],
)
def test_everybody_has_mail_of_his_own(who: Guest, topic: str, is_meant: bool) -> None:
    assert may_hear(who, topic, TOPICS) is is_meant


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(ANNA)
