"""Which cameras are not believed, as a viewer keeps and tells it; the rest needs a broker."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from mqcam.errors import SessionError
from mqcam.protocol.messages import Status
from mqcam.protocol.topics import Namespace
from mqcam.trust.documents import Grant
from mqcam_viewer.presence import LINES_BURST, MAX_REFUSED, Presence, silent

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from mqcam.mqtt import MqttSession

NO_BROKER = cast("MqttSession", None)
STATUS = Status(n=1, state="online", boot="b", nonce="")


def presence(clock: Callable[[], float] = lambda: 0.0) -> Presence:
    return Presence(broker=NO_BROKER, topics=Namespace(), devices=dict, clock=clock)


def refusal(text: str) -> SessionError:
    return SessionError("unknown-key", text)


def test_reason_is_said_once_until_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    cameras = presence()
    with caplog.at_level(logging.ERROR):
        for text in ("one", "one", "two"):
            cameras.refuse("front", refusal(text))
    assert len(caplog.records) == 2
    assert cameras.refused()["front"].text == "two"


def test_who_tells_it_itself_keeps_it_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    cameras = presence()
    with caplog.at_level(logging.ERROR), silent():
        cameras.refuse("front", refusal("one"))
    assert not caplog.records
    cameras.refuse("front", refusal("two"))
    assert len(caplog.records) == 1


def test_a_camera_outside_the_grant_is_said_to_be_so() -> None:
    grant = Grant(name="guest", key="", serial="", cameras=("garden-*", "gate"))
    cameras = Presence(broker=NO_BROKER, topics=Namespace(), devices=dict, grant=grant)
    assert cameras.explain_unknown("front").startswith(
        "your grant names garden-*, gate, not front: ask the owner"
    )
    assert "the broker knows no camera garden-1" in cameras.explain_unknown("garden-1")


def test_a_name_that_was_mistyped_is_guessed_among_those_that_are_known() -> None:
    known: dict[str, Status | None] = {"front-door": STATUS, "yard": None}
    cameras = Presence(broker=NO_BROKER, topics=Namespace(), devices=lambda: known)
    assert "did you mean front-door?" in cameras.explain_unknown("frontdoor")
    assert "did you mean" not in cameras.explain_unknown("cellar")


def test_forger_with_a_new_key_each_time_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    cameras = presence(lambda: now)
    with caplog.at_level(logging.ERROR):
        for number in range(1000):
            cameras.refuse("front", refusal(f"key {number}"))
        assert len(caplog.records) == LINES_BURST
        now = 1.0
        cameras.refuse("front", refusal("later"))
    assert len(caplog.records) == LINES_BURST + 1


def test_refusals_are_remembered_within_a_bound_until_the_camera_is_believed() -> None:
    cameras = presence()
    for number in range(2 * MAX_REFUSED):
        cameras.refuse(f"camera{number}", refusal("no"))
    assert len(cameras.refused()) == MAX_REFUSED
    cameras.note("camera0", STATUS, gone=False)
    assert "camera0" not in cameras.refused()
