from __future__ import annotations

import pytest
from mqcam.protocol.messages import CaptureState, Status
from mqcam_viewer.absence import no_picture


def status(state: str, text: str = "") -> Status:
    """Return the status of a camera whose source is in a state."""
    return Status(
        n=0,
        state="online",
        boot="b",
        nonce="n",
        capture=CaptureState(state=state, text=text),
    )


@pytest.mark.parametrize("said", [None, status("running")])
def test_a_camera_that_says_nothing_of_it_is_not_quoted(said: Status | None) -> None:
    assert no_picture(said) == "connected, but no picture came"


def test_the_cameras_own_reason_is_told() -> None:
    assert no_picture(status("failed", "film.mp4: no such file")) == (
        'connected, but no picture came: the camera says "failed": film.mp4: no such file'
    )


def test_a_state_without_a_reason_is_told_alone() -> None:
    assert no_picture(status("starting")).endswith('the camera says "starting"')
