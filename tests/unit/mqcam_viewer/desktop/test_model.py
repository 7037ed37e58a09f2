"""What a person reads, driven without a screen."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mqcam.protocol.messages import CaptureState, Status
from mqcam_viewer.desktop import words
from mqcam_viewer.desktop.events import (
    BrokerChanged,
    CamerasChanged,
    Connecting,
    EngineFailed,
    Event,
    Interrupted,
    Measured,
    Playing,
    SnapshotFailed,
    SnapshotSaved,
)
from mqcam_viewer.desktop.memory import Memory
from mqcam_viewer.desktop.model import Model, State, Tone

NOON = datetime(2026, 3, 2, 12, 0).astimezone()
LATER = NOON + timedelta(hours=2)


def status(state: str = "online", capture: str = "running", text: str = "") -> Status:
    return Status(
        n=1,
        state=state,
        boot="b",
        nonce="n",
        capture=CaptureState(state=capture, width=1280, height=720, fps_max=30.0, text=text),
    )


def measured(camera: str = "front", *, idle_s: float = 0.02, **changes: object) -> Measured:
    values: dict[str, object] = {
        "camera": camera,
        "fps": 29.9,
        "width": 1280,
        "height": 720,
        "bitrate_bps": 2_100_000,
        "latency_ms": 84.2,
        "path": "Direct, UDP",
        "idle_s": idle_s,
    }
    return Measured(**{**values, **changes})  # type: ignore[arg-type]


def told(*events: Event, at: datetime = NOON) -> Model:
    """Return a model that has heard of one camera, front, and of what else happened."""
    model = Model()
    model.apply(BrokerChanged(is_connected=True, address="mqtts://b:1", is_encrypted=True), NOON)
    model.apply(CamerasChanged(cameras={"front": status()}), NOON)
    for event in events:
        model.apply(event, at)
    return model


PLAYING = (Connecting(camera="front"), Playing(camera="front"), measured())
LOST = Interrupted(camera="front", code="silence", text="nothing was heard for a second")


def test_the_first_camera_that_is_there_is_chosen() -> None:
    model = Model()
    model.apply(CamerasChanged(cameras={"away": None, "front": status()}), NOON)

    assert model.chosen == "front"
    assert model.view("front", NOON).state is State.CONNECTING


def test_what_was_seen_before_the_window_opened_is_remembered() -> None:
    model = Model()
    model.remember(Memory(chosen="front", seen={"away": NOON, "gone": NOON}))
    model.apply(CamerasChanged(cameras={"away": None, "door": status(), "front": status()}), LATER)

    assert model.chosen == "front"
    assert model.view("away", LATER).detail == "Last seen today at 12:00"
    assert model.memory == Memory(
        chosen="front", seen={"away": NOON, "gone": NOON, "door": LATER, "front": LATER}
    )


def test_a_camera_of_last_time_that_is_away_is_not_waited_for() -> None:
    model = Model()
    model.remember(Memory(chosen="front"))
    model.apply(CamerasChanged(cameras={"front": None, "door": status()}), NOON)

    assert model.chosen == "door"


def test_a_person_s_choice_is_kept_when_cameras_come_and_go() -> None:
    model = told(*PLAYING)
    model.choose("door")
    model.apply(CamerasChanged(cameras={"front": status(), "door": status()}), NOON)

    assert model.chosen == "door"


def test_a_live_camera_shows_its_figures() -> None:
    view = told(*PLAYING).view("front", NOON)

    assert (view.state, view.tone) == (State.LIVE, Tone.GOOD)
    assert view.detail == "720p30  ·  2.1 Mb/s  ·  84 ms"
    assert view.statistics == "720p30  ·  2.1 Mb/s  ·  84 ms  ·  29.9 fps  ·  Direct, UDP"


def test_figures_that_are_not_known_are_left_out() -> None:
    model = told(*PLAYING, measured(bitrate_bps=None, latency_ms=None, path=""))

    assert model.view("front", NOON).statistics == "720p30  ·  29.9 fps"


def test_a_camera_that_is_connected_to_for_the_first_time_is_not_reconnecting() -> None:
    model = told(Connecting(camera="front"), LOST)
    view = model.view("front", NOON)

    assert (view.state, view.detail) == (State.CONNECTING, "Nothing was heard for a second")


def test_a_lost_picture_is_reconnected_to_and_the_cause_is_said() -> None:
    view = told(*PLAYING, LOST).view("front", NOON)

    assert (view.state, view.tone) == (State.RECONNECTING, Tone.WARNING)
    assert view.detail == "Nothing was heard for a second"
    assert view.is_working


def test_a_picture_that_comes_back_is_live_again() -> None:
    view = told(*PLAYING, LOST, Playing(camera="front")).view("front", NOON)

    assert view.state is State.LIVE


def test_a_camera_that_says_good_bye_is_offline_since_then() -> None:
    model = told(*PLAYING, LOST)
    model.apply(CamerasChanged(cameras={"front": status("offline")}), NOON)
    view = model.view("front", LATER)

    assert (view.state, view.tone) == (State.OFFLINE, Tone.ABSENT)
    assert view.detail == "Last seen today at 12:00"


def test_a_camera_that_the_broker_lost_stays_live_while_its_picture_comes() -> None:
    model = told(*PLAYING)
    model.apply(CamerasChanged(cameras={"front": None}), NOON)

    assert model.view("front", NOON).state is State.LIVE


def test_a_camera_for_which_somebody_else_speaks_is_not_believed_and_says_why() -> None:
    forged = CamerasChanged(cameras={"front": status()}, refused={"back": "nobody vouches for it"})
    model = told(forged)

    assert model.chosen == "front"
    view = model.view("back", NOON)
    assert (view.state, view.tone) == (State.UNBELIEVED, Tone.BAD)
    assert view.summary == words.line("Not believed", "Nobody vouches for it")
    assert model.census == words.line("1 online", "1 not believed")

    model.apply(CamerasChanged(cameras={"front": status(), "back": status()}), NOON)

    assert model.view("back", NOON).state is State.ONLINE


def test_where_no_camera_is_believed_the_reason_stands_in_place_of_the_picture() -> None:
    model = Model()
    model.apply(BrokerChanged(is_connected=True, address="mqtts://b:1"), NOON)
    model.apply(CamerasChanged(cameras={}, refused={"back": "it signs with another key"}), NOON)

    assert model.chosen is None
    assert model.explanation() == ("back: not believed", "It signs with another key")
    model.choose("back")
    assert not model.view("back", NOON).is_working
    model.choose(None)

    model.apply(CamerasChanged(cameras={"back": status()}), NOON)

    assert model.chosen == "back"


def test_a_forged_status_takes_no_picture_from_the_screen() -> None:
    model = told(*PLAYING)
    model.apply(CamerasChanged(cameras={"front": None}, refused={"front": "another key"}), NOON)

    assert model.view("front", NOON).state is State.LIVE


def test_without_a_broker_no_camera_is_called_offline_for_it() -> None:
    model = told(*PLAYING, LOST, CamerasChanged(cameras={"front": None}))
    model.apply(BrokerChanged(is_connected=False, trouble="refused"), NOON)

    assert model.view("front", NOON).state is State.RECONNECTING


def test_a_camera_that_was_never_there_has_no_time() -> None:
    model = Model()
    model.apply(CamerasChanged(cameras={"away": status("offline")}), NOON)

    assert (model.view("away", NOON).state, model.view("away", NOON).detail) == (State.OFFLINE, "")


def test_a_camera_that_says_since_when_it_is_offline_is_believed() -> None:
    good_bye = replace(status("offline"), since=int(NOON.timestamp()))
    model = Model()
    model.apply(CamerasChanged(cameras={"away": good_bye}), LATER)

    assert model.view("away", LATER).detail == "Last seen today at 12:00"

    model.apply(CamerasChanged(cameras={"away": replace(good_bye, since=253_402_300_799)}), LATER)
    assert model.view("away", LATER).detail == "Last seen today at 14:00"


def test_a_refusal_is_final_and_says_why() -> None:
    why = Interrupted(
        camera="front", code="unauthorized", text="the camera does not let you in", is_final=True
    )
    view = told(Connecting(camera="front"), why).view("front", NOON)

    assert (view.state, view.tone) == (State.REFUSED, Tone.BAD)
    assert view.detail == "The camera does not let you in"
    assert not view.is_working


@pytest.mark.parametrize("capture", ["starting", "stalled", "failed"])
def test_a_camera_whose_capture_restarts_says_so(capture: str) -> None:
    stalled = status(capture=capture, text="the camera module does not answer")
    model = told(*PLAYING, CamerasChanged(cameras={"front": stalled}), measured(idle_s=2.5))
    view = model.view("front", NOON)

    assert (view.state, view.detail) == (State.RESTARTING, "The camera module does not answer")


@pytest.mark.parametrize(("idle_s", "state"), [(0.4, State.LIVE), (0.6, State.RESTARTING)])
def test_a_camera_that_says_so_is_believed_before_its_picture_is_old(
    idle_s: float, state: State
) -> None:
    """The state says that it restarts; the sentence only why. Pictures that come are believed."""
    stalled = status(capture="stalled", text="camera restarting: no picture for 1 s")
    model = told(*PLAYING, CamerasChanged(cameras={"front": stalled}), measured(idle_s=idle_s))
    view = model.view("front", NOON)

    assert view.state is state
    assert view.detail == "No picture for 1 s" or state is State.LIVE


def test_what_a_camera_says_is_believed_until_its_pictures_are_measured_again() -> None:
    model = told(*PLAYING, measured(idle_s=0.0))
    model.apply(CamerasChanged(cameras={"front": status(capture="stalled")}), NOON)

    assert model.view("front", NOON).state is State.RESTARTING

    model.apply(measured(idle_s=0.1), NOON)
    assert model.view("front", NOON).state is State.LIVE


def test_an_old_picture_is_not_called_live() -> None:
    model = told(*PLAYING, measured(idle_s=4.4))
    view = model.view("front", NOON)

    assert (view.state, view.detail) == (State.STILL, "No new picture for 4 s")
    assert not model.is_live


def test_a_camera_that_is_not_watched_says_what_it_offers() -> None:
    model = told(CamerasChanged(cameras={"front": status(), "door": status()}))

    assert model.view("door", NOON).summary == "Online  ·  720p30"
    assert model.view("door", NOON).accessible == "door, Online, 720p30"


def test_the_list_says_the_state_only_where_its_detail_does_not() -> None:
    model = told(*PLAYING)
    assert model.view("front", NOON).summary == model.view("front", NOON).detail

    model.apply(measured(idle_s=4.4), NOON)
    assert model.view("front", NOON).summary == "Picture stands still  ·  No new picture for 4 s"


def test_what_the_session_that_was_left_still_says_is_not_heard() -> None:
    model = told(CamerasChanged(cameras={"front": status(), "door": status()}), *PLAYING)
    model.choose("door")
    model.apply(LOST, NOON)

    assert model.view("front", NOON).state is State.ONLINE


def test_rows_keep_their_order_when_a_camera_goes_and_can_be_filtered() -> None:
    cameras = {"Zoo": status(), "attic": None, "barn": status()}
    model = Model()
    model.apply(CamerasChanged(cameras=cameras), NOON)

    assert model.rows() == ["attic", "barn", "Zoo"]
    assert model.rows(" ZO ") == ["Zoo"]
    assert model.census == "2 online  ·  1 offline"


def test_an_empty_window_explains_itself() -> None:
    model = Model()
    assert model.explanation()[0] == "Connecting to the broker"

    model.apply(BrokerChanged(is_connected=False, trouble="the broker refused us"), NOON)
    assert model.explanation() == ("The broker cannot be reached", "The broker refused us")

    model.apply(BrokerChanged(is_connected=True, address="mqtts://b:1"), NOON)
    assert model.explanation()[0] == "No camera yet"

    model.apply(EngineFailed(text="a mistake"), NOON)
    assert model.explanation() == ("Something went wrong", "A mistake")


def test_the_way_to_the_broker_is_one_line() -> None:
    model = told()
    assert model.broker_line() == "b  ·  TLS"

    for event in PLAYING:
        model.apply(event, NOON)
    model.apply(BrokerChanged(is_connected=False), NOON)
    assert model.broker_line() == "No broker, the video goes on"

    model.apply(BrokerChanged(is_connected=True, address="mqtt://[::1]:1883"), NOON)
    assert model.broker_line() == "[::1]  ·  not encrypted"


def test_a_snapshot_s_name_is_told_and_so_is_a_failure() -> None:
    model = told(SnapshotSaved(camera="front", path=Path("/pictures/front.jpg")))
    assert model.notice == "Saved front.jpg in /pictures"

    model.apply(SnapshotFailed(camera="front", text="the disk is full"), NOON)
    assert model.notice == "No snapshot: the disk is full"
