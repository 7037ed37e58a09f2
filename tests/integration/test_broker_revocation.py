"""The owner's word on its way through a real mosquitto: signed, retained, confirmed, and told."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Kind, load_credentials
from mqcam.mqtt import MqttSession
from mqcam.protocol.topics import Namespace
from mqcam.trust.ownerstate import OwnerState, read_owner_state
from mqcam_broker.certificates import authority
from mqcam_broker.cli import main
from mqcam_broker.owner import publication
from mqcam_broker.owner.decree import read_payload, read_state, revoke
from mqcam_broker.owner.publication import Publication, publish_state
from support.broker import SUCCESS, ShippedBroker, free_port, log_in
from support.client import BareClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC = Namespace().owner_state()
DEADLINE_S = 15.0


@pytest.fixture
def broker() -> Iterator[ShippedBroker]:
    with ShippedBroker() as shipped:
        yield shipped


def serial(broker: ShippedBroker, kind: Kind, name: str) -> str:
    broker.credentials(kind, name)
    return broker.directory.read_members().by_name[name].serial


def heard(broker: ShippedBroker, reader: BareClient) -> OwnerState:
    """Wait for what is stored to be delivered, and return it as a camera reads it."""
    payload = read_payload(broker.directory)
    message = reader.wait_for(TOPIC, payload)
    return read_owner_state(message.payload, TOPIC, owner=broker.directory.read_owner())


def test_who_is_connected_hears_of_a_revocation_and_who_comes_later_too(
    broker: ShippedBroker,
) -> None:
    revoked = serial(broker, "viewer", "ann")
    camera = load_credentials(broker.credentials("device", "cam1"))
    with BareClient(camera) as early:
        early.subscribe(TOPIC)
        output = broker.command("remove", "ann")
        assert heard(broker, early).revoked == (revoked,)
        assert "The revocation is published" in output
    with BareClient(camera) as late:
        late.subscribe(TOPIC)
        assert heard(broker, late).revoked == (revoked,)
        assert late.received[0].retained


def test_a_removal_that_was_interrupted_is_finished_when_it_is_typed_again(
    broker: ShippedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    revoked = serial(broker, "viewer", "ann")
    ann = load_credentials(broker.credentials("viewer", "ann"))
    with BareClient(load_credentials(broker.credentials("device", "cam1"))) as camera:
        camera.subscribe(TOPIC)
        with broker.directory.locked():  # all that is done before the broker is told
            revoke(broker.directory, broker.directory.read_owner_key(None), revoked)
            members = broker.directory.read_members()
            broker.directory.write_members(members.without("ann"))
        assert log_in(ann) == SUCCESS
        assert main(["remove", "ann", "--dir", str(broker.directory.path)]) != 0
        assert "no device or viewer 'ann'" in capsys.readouterr().err
        assert heard(broker, camera).revoked == (revoked,)
    assert log_in(ann) not in {SUCCESS, None}


def test_each_revocation_has_a_higher_number_and_keeps_the_others(broker: ShippedBroker) -> None:
    serials = [serial(broker, "viewer", name) for name in ("ann", "bob")]
    with BareClient(load_credentials(broker.credentials("device", "cam1"))) as camera:
        camera.subscribe(TOPIC)
        broker.command("remove", "ann")
        first = heard(broker, camera)
        broker.command("remove", "bob")
        second = heard(broker, camera)
    assert second.number > first.number
    assert list(second.revoked) == serials


@pytest.mark.parametrize("kind", ["device", "viewer"])
def test_who_is_replaced_is_revoked_and_gets_in_anew(broker: ShippedBroker, kind: Kind) -> None:
    former = serial(broker, kind, "porch")
    old = load_credentials(broker.credentials(kind, "porch"))
    new = broker.root / "new.yaml"
    output = broker.command(f"add-{kind}", "porch", "--replace", "--output", str(new))
    assert "The revocation is published" in output
    deadline = time.monotonic() + DEADLINE_S
    while log_in(load_credentials(new)) != SUCCESS:
        assert time.monotonic() < deadline
    assert log_in(old) != SUCCESS
    assert read_state(broker.directory).revoked == (former,)


def test_the_state_survives_a_restart_of_the_broker(broker: ShippedBroker) -> None:
    revoked = serial(broker, "viewer", "ann")
    broker.command("remove", "ann")
    camera = load_credentials(broker.credentials("device", "cam1"))
    broker.stop()
    broker.start()
    with BareClient(camera) as late:
        late.subscribe(TOPIC)
        assert heard(broker, late).revoked == (revoked,)


@contextlib.contextmanager
def running(broker: ShippedBroker) -> Iterator[subprocess.Popen[str]]:
    """Run the program itself and wait until it says that it is ready."""
    command = [sys.executable, "-m", "mqcam_broker.cli", "run", "--dir", str(broker.directory.path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], DEADLINE_S)[0]
            assert process.stdout.readline().startswith("broker ready")
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=DEADLINE_S)


def test_a_revocation_while_the_broker_is_down_is_published_before_it_is_ready() -> None:
    broker = ShippedBroker()
    try:
        revoked = serial(broker, "viewer", "ann")
        camera = load_credentials(broker.credentials("device", "cam1"))
        output = broker.command("remove", "ann")
        assert "the broker publishes it when it starts" in output
        with running(broker), BareClient(camera) as late:
            late.subscribe(TOPIC)
            assert heard(broker, late).revoked == (revoked,)
            assert late.received[0].retained
    finally:
        broker.close()


def test_a_running_broker_needs_no_owners_key() -> None:
    broker = ShippedBroker()
    try:
        camera = load_credentials(broker.credentials("device", "cam1"))
        broker.directory.owner_key.unlink()
        with running(broker), BareClient(camera) as late:
            late.subscribe(TOPIC)
            assert heard(broker, late) == read_state(broker.directory)
    finally:
        broker.close()


def test_a_broker_that_does_not_answer_is_told_within_the_deadline(
    broker: ShippedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "CONNECT_TIMEOUT_S", 0.3)
    broker.freeze()
    start = time.monotonic()
    answer = publish_state(broker.directory)
    elapsed_s = time.monotonic() - start
    broker.thaw()
    assert not answer.is_done
    assert answer.problem
    assert elapsed_s < 5.0


def test_a_broker_that_confirms_nothing_is_told_within_the_deadline(
    broker: ShippedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(MqttSession):
        """A session whose broker stands still as soon as it is reached."""

        async def wait_connected(self, timeout_s: float) -> None:
            await super().wait_connected(timeout_s)
            broker.freeze()

    monkeypatch.setattr("mqcam.mqtt.MqttSession", Forgetful)
    monkeypatch.setattr(publication, "DELIVERY_TIMEOUT_S", 0.3)
    answer = publish_state(broker.directory)
    broker.thaw()
    assert answer.problem == "the broker confirmed nothing within 0.3 s"


def test_the_last_of_two_changes_is_what_stays(
    broker: ShippedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands at once: the one that publishes last may have read the older state."""
    last: list[OwnerState] = []

    class Overtaken(MqttSession):
        """A session during whose connection another command revokes somebody."""

        async def wait_connected(self, timeout_s: float) -> None:
            await super().wait_connected(timeout_s)
            if not last:
                owner = broker.directory.read_owner_key(None)
                last.append(revoke(broker.directory, owner, "AAAAAAAA"))

    monkeypatch.setattr("mqcam.mqtt.MqttSession", Overtaken)
    assert publish_state(broker.directory).is_done
    with BareClient(load_credentials(broker.credentials("device", "cam1"))) as camera:
        camera.subscribe(TOPIC)
        assert [heard(broker, camera)] == last


def test_an_account_that_the_broker_does_not_take_is_a_problem_in_words(
    broker: ShippedBroker,
) -> None:
    broker.directory.owner_password.write_text("another\n")
    answer = publish_state(broker.directory)
    assert not answer.is_done
    assert "it runs with other passwords" in answer.problem


def test_without_a_broker_there_is_nothing_to_tell(broker: ShippedBroker) -> None:
    broker.stop()
    assert publish_state(broker.directory) == Publication(is_done=False)


def test_publish_tells_the_state_again(broker: ShippedBroker) -> None:
    """For whoever was told that it did not work the first time."""
    with BareClient(broker.owner()) as owner:
        owner.publish(TOPIC, b"", retain=True)
    assert "is published" in broker.command("publish")
    with BareClient(load_credentials(broker.credentials("device", "cam1"))) as camera:
        camera.subscribe(TOPIC)
        assert heard(broker, camera) == read_state(broker.directory)


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the options for a certificate whose authority this machine knows."""
    now = datetime.now(UTC)
    root = authority.create_authority(now=now)
    issued = authority.issue_server_certificate(root, ["127.0.0.1"], now=now)
    for name, content in (
        ("root.pem", root.certificate),
        ("chain.pem", issued.certificate),
        ("key.pem", issued.key),
    ):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    return ["--certificate", str(tmp_path / "chain.pem"), "--key", str(tmp_path / "key.pem")]


def test_a_public_certificate_serves_like_our_own(public: list[str]) -> None:
    broker = ShippedBroker(options=public)
    try:
        credentials = load_credentials(broker.credentials("viewer", "ann"))
        assert (credentials.ca, credentials.server_name) == (None, None)
        broker.credentials("device", "cam1")
        with running(broker):
            assert "is published" in broker.command("remove", "cam1")
    finally:
        broker.close()


def test_a_certificate_for_another_name_makes_no_broker(
    public: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--dir", str(tmp_path / "b"), "--address", "cam.example.org"]
    assert main(["init", *where, "--port", str(free_port()), *public]) == 2
    assert "not made for cam.example.org but for mqcam-broker, 127.0.0.1" in capsys.readouterr().err
