"""Each viewer reaches the cameras of its grant and no other: generated rules in a real mosquitto.

Judged by what is delivered, as in ``test_broker_access``.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, Kind, load_credentials
from mqcam.protocol.topics import Namespace
from mqcam_broker.folder.members import Member, Members
from support.broker import SUCCESS, ShippedBroker, log_in
from support.client import BareClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOPICS = Namespace()
DEADLINE_S = 10.0
CAMERAS = ("door-1", "door-2", "garden")


@pytest.fixture
def broker() -> Iterator[ShippedBroker]:
    with ShippedBroker() as shipped:
        for name in CAMERAS:
            shipped.credentials("device", name)
        yield shipped


@pytest.fixture
def connect(broker: ShippedBroker) -> Iterator[Callable[[str], BareClient]]:
    with contextlib.ExitStack() as stack:

        def connected(name: str) -> BareClient:
            kind: Kind = "device" if name in CAMERAS else "viewer"
            return stack.enter_context(BareClient(account(broker, kind, name)))

        yield connected


def account(broker: ShippedBroker, kind: Kind, name: str) -> Credentials:
    return load_credentials(broker.root / f"{name}.{kind}.yaml")


def grant(broker: ShippedBroker, name: str, *options: str) -> Path:
    file = broker.root / f"{name}.viewer.yaml"
    broker.command("add-viewer", name, *options, "--output", str(file))
    wait_for_log_in(load_credentials(file))
    return file


def wait_for_log_in(credentials: Credentials) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while log_in(credentials) != SUCCESS:
        assert time.monotonic() < deadline


def payloads(client: BareClient) -> set[bytes]:
    return {message.payload for message in client.received}


def test_the_status_of_other_cameras_is_not_delivered(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    grant(broker, "ann", "--camera", "door-*")
    ann = connect("ann")
    for topic_filter in (TOPICS.status_filter(), TOPICS.status("garden"), "#", "mqcam/v1/d/#"):
        ann.subscribe(topic_filter)
    for name in ("garden", "door-1", "door-2"):
        connect(name).publish(TOPICS.status(name), name.encode(), retain=True)
    ann.wait_for(TOPICS.status("door-2"), b"door-2")
    assert payloads(ann) == {b"door-1", b"door-2"}


@pytest.mark.parametrize("patterns", [["door-1"], ["door-*"]], ids=["few", "most"])
def test_both_ways_to_write_a_grant_down_mean_the_same(
    broker: ShippedBroker, connect: Callable[[str], BareClient], patterns: list[str]
) -> None:
    """Allowed one by one, or all but the others: the camera of neither grant stays closed."""
    grant(broker, "ann", "--camera", ",".join(patterns))
    assert ("deny" in broker.directory.rules.read_text("ascii")) == (patterns == ["door-*"])
    ann = connect("ann")
    for camera, answer in (("door-1", False), ("garden", True)):
        topic = TOPICS.to_device(camera, "ann", "s")
        assert (ann.publish(topic, b"offer") == "Not authorized") == answer


def test_a_retained_status_of_another_camera_is_not_delivered_later(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    for name in ("garden", "door-1"):
        connect(name).publish(TOPICS.status(name), name.encode(), retain=True)
    grant(broker, "ann", "--camera", "door-1")
    ann = connect("ann")
    ann.subscribe(TOPICS.status_filter())
    ann.wait_for(TOPICS.status("door-1"), b"door-1")
    connect("door-1").publish(TOPICS.status("door-1"), b"again", retain=True)
    ann.wait_for(TOPICS.status("door-1"), b"again")
    assert payloads(ann) == {b"door-1", b"again"}


def test_nothing_is_delivered_to_a_camera_that_was_not_granted(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    grant(broker, "ann", "--camera", "door-1")
    grant(broker, "bob")
    ann, bob, garden = connect("ann"), connect("bob"), connect("garden")
    garden.subscribe(TOPICS.device_filter("garden"))
    assert ann.publish(TOPICS.to_device("garden", "ann", "s"), b"offer") == "Not authorized"
    assert ann.publish(TOPICS.to_device("door-1", "ann", "s"), b"offer") != "Not authorized"
    bob.publish(TOPICS.to_device("garden", "bob", "s"), b"granted")
    garden.wait_for(TOPICS.to_device("garden", "bob", "s"), b"granted")
    assert payloads(garden) == {b"granted"}


def test_a_camera_that_comes_later_is_reached_by_an_older_grant(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    grant(broker, "ann", "--camera", "door-*")
    ann = connect("ann")
    ann.subscribe(TOPICS.status_filter())
    for name in ("cellar", "door-9"):
        broker.credentials("device", name)
    for name in ("cellar", "door-9"):
        with BareClient(account(broker, "device", name)) as camera:
            camera.publish(TOPICS.status(name), name.encode(), retain=True)
    ann.wait_for(TOPICS.status("door-9"), b"door-9")
    assert payloads(ann) == {b"door-9"}


def test_a_grant_that_is_replaced_by_a_smaller_one_counts_at_once(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    old = load_credentials(grant(broker, "ann"))
    (broker.root / "ann.viewer.yaml").unlink()
    grant(broker, "ann", "--camera", "garden", "--replace")
    assert log_in(old) != SUCCESS
    ann = connect("ann")
    ann.subscribe(TOPICS.status_filter())
    for name in ("door-1", "garden"):
        connect(name).publish(TOPICS.status(name), name.encode(), retain=True)
    ann.wait_for(TOPICS.status("garden"), b"garden")
    assert payloads(ann) == {b"garden"}


def test_a_removed_camera_says_nothing_more(
    broker: ShippedBroker, connect: Callable[[str], BareClient]
) -> None:
    grant(broker, "ann", "--camera", "door-*")
    with contextlib.closing(BareClient(account(broker, "device", "door-1"))) as door:
        assert door.connect() == "Success"
        broker.remove("door-1")
        door.wait_disconnected()
        assert door.connect() == "Not authorized"
    assert "door-1" not in broker.directory.rules.read_text("ascii")


def test_rules_for_a_thousand_cameras_and_fifty_viewers_load_in_a_moment() -> None:
    """The worst kind: half of all cameras, two lines for each of them and each viewer."""
    broker = ShippedBroker()
    try:
        file = broker.credentials("viewer", "ann")
        [ann] = broker.directory.read_members().by_name.values()
        broker.directory.write_members(large_fleet(ann))
        start = time.monotonic()
        broker.start()
        assert time.monotonic() - start < 2.0
        wait_for_log_in(load_credentials(file))
        start = time.monotonic()
        grant(broker, "late", "--camera", "odd-*")
        assert time.monotonic() - start < 3.0
    finally:
        broker.close()


def large_fleet(template: Member) -> Members:
    def like(kind: Kind, name: str) -> Member:
        return Member(
            kind=kind,
            name=name,
            password_hash=template.password_hash,
            key=template.key,
            serial=template.serial,
            cameras=("odd-*",) if kind == "viewer" else (),
            rights=("view",) if kind == "viewer" else (),
        )

    everybody = [template]
    everybody += [
        like("device", f"{'odd' if number % 2 else 'even'}-{number}") for number in range(1000)
    ]
    everybody += [like("viewer", f"viewer{number}") for number in range(50)]
    return Members({member.name: member for member in everybody})
