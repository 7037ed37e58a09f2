from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mqcam.errors import LocalProtocolError
from mqcam.protocol.topics import Kind, Namespace, Topic, new_client_id, new_session_id

IDS = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
TOPICS = Namespace("home")


@given(device=IDS, viewer=IDS, session=IDS)
def test_what_is_built_is_read_back(device: str, viewer: str, session: str) -> None:
    assert TOPICS.parse(TOPICS.status(device)) == Topic(kind=Kind.STATUS, device=device)
    names = {"device": device, "viewer": viewer, "session": session}
    to_device = TOPICS.to_device(device, viewer, session)
    assert TOPICS.parse(to_device) == Topic(kind=Kind.TO_DEVICE, **names)
    to_viewer = TOPICS.to_viewer(viewer, device, session)
    assert TOPICS.parse(to_viewer) == Topic(kind=Kind.TO_VIEWER, **names)


@given(st.text(max_size=60))
def test_foreign_topics_are_none_of_ours(topic: str) -> None:
    assert TOPICS.parse(topic) is None


@pytest.mark.parametrize("name", ["", "a" * 65, "a/b", "+", "#", "ä", "a b", "a\n"])
def test_what_is_no_id_builds_no_topic(name: str) -> None:
    with pytest.raises(LocalProtocolError):
        TOPICS.status(name)
    with pytest.raises(LocalProtocolError):
        TOPICS.to_viewer("alice", "cam", name)
    with pytest.raises(LocalProtocolError):
        Namespace(name)


def test_filters_name_one_reader() -> None:
    assert TOPICS.device_filter("cam") == "home/v1/d/cam/in/+/+"
    assert TOPICS.viewer_filter("alice") == "home/v1/v/alice/in/+/+"
    assert TOPICS.parse(TOPICS.owner_state()) == Topic(kind=Kind.OWNER_STATE)


def test_session_and_client_ids_hold_128_random_bits() -> None:
    assert new_session_id(b"\xff" * 16) == "_" * 21 + "w"
    assert new_client_id("cam", bytes(16)) == "cam-" + "A" * 22
    with pytest.raises(LocalProtocolError):
        new_session_id(b"short")
    with pytest.raises(LocalProtocolError):
        new_client_id("no id!", bytes(16))
