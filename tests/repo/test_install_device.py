"""What ./install-device refuses and says, before it does anything."""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mqcam.credentials import Credentials, credentials_of
from mqcam.errors import CredentialsError
from support.installations import FRONT, KEY, PI, Card

from scripts.install_device import paper
from scripts.install_device.machine import Machine, look
from scripts.install_device.refusal import Refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


# the file


def test_what_the_broker_writes_is_taken(card: Card) -> None:
    assert paper.first_look(card.file).name == "front"


def test_the_first_look_knows_every_key() -> None:
    assert {each.name for each in dataclasses.fields(Credentials)} == paper.KEYS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no credentials file"),
        ("hello\n", "is no credentials file"),
        ("credentials: credentials.yaml\n", "a camera's configuration"),
        ("kind: viewer\nname: anna\nbroker:\n- mqtts://nas\n", "a viewer's credentials"),
        ("kind: device\nbroker:\n- mqtts://nas\n", "'name' is missing"),
        ("kind: device\nname: front\n", "'broker' is missing"),
        ("kind: device\nname: front\nbroker:\n- mqtts://nas\n", "names no identity"),
        ("kind: device\nname: a b\nbroker:\n- x\nidentity: y\n", "no name of a camera"),
        ("kind: lamp\nname: front\nbroker:\n- x\nidentity: y\n", "neither device nor viewer"),
        ("kind: device\nkind: viewer\n", "'kind' stands there twice"),
        ("kind: device\nidentety: x\n", "no credentials have a key 'identety'"),
        ("kind: device\n<<<<<<\n", "line 2 is none"),
        ("kind: device\n" + "#" * 70_000, "is no credentials file"),
        ("kind: device\n\0", "is no credentials file"),
    ],
)
def test_a_wrong_file_is_refused_before_anything_is_touched(
    card: Card, content: str, said: str
) -> None:
    card.file.write_text(content)
    told = card.refused()
    assert said in told
    assert str(card.file) in told
    assert "\n" not in told


def test_a_file_that_was_cut_off_is_refused_wherever_it_was_cut(card: Card) -> None:
    whole = card.file.read_text()
    taken = []
    for length in range(len(whole) - 1):
        card.file.write_text(whole[:length])
        try:
            paper.first_look(card.file)
            credentials_of("device", card.file)  # what judges it next
            taken.append(whole[:length])
        except (Refused, CredentialsError):
            continue
    # Between two keys a shorter file is a good one too: nobody can tell.
    assert [text for text in taken if not text.endswith("\n")] == []


def test_no_refusal_repeats_a_secret(card: Card) -> None:
    card.file.write_text(card.file.read_text().replace("identity: ", "identity "))
    told = card.refused()
    assert KEY.secret_text() not in told
    assert FRONT.password is not None
    assert FRONT.password not in told


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o755])
def test_a_file_that_others_may_read_is_refused(card: Card, mode: int) -> None:
    card.file.chmod(mode)
    assert f"chmod 600 {card.file}" in card.refused()


def test_what_is_no_file_is_refused_without_waiting(card: Card) -> None:
    card.file.unlink()
    assert "no such file" in card.refused()
    os.mkfifo(card.file, 0o600)
    assert "not a regular file" in card.refused()


# the machine


@pytest.mark.parametrize(
    ("unfit", "said"),
    [
        ({"is_debian": False, "system": "Fedora 41"}, "this is Fedora 41"),
        ({"is_64_bit": False}, "64-bit system is needed"),
        ({"python": (3, 9)}, "this is 3.9"),
        ({"free_bytes": 10**8}, "600 MB of free space are needed, and there are 100"),
    ],
)
def test_an_unfit_machine_is_refused_before_anything_is_touched(
    card: Card, unfit: dict[str, Any], said: str
) -> None:
    assert said in card.refused(replace(PI, **unfit))


@pytest.mark.parametrize(
    ("unfit", "said"),
    [
        (replace(PI, user_id=1000), "sudo ./install-device"),
        (replace(PI, runs_systemd=False), "systemd does not run here"),
    ],
)
def test_what_only_a_real_installation_needs_is_asked_for_there_only(
    unfit: Machine, said: str
) -> None:
    unfit.refuse_unfit(is_elsewhere=True)
    with pytest.raises(Refused, match=said):
        unfit.refuse_unfit(is_elsewhere=False)


def test_this_machine_is_what_the_tests_run_on(tmp_path: Path) -> None:
    found = look(tmp_path / "not/there")
    assert found.user_id == os.geteuid()
    assert found.python == sys.version_info[:2]
    assert found.free_bytes > 0


# the plan


def test_it_says_everything_that_it_will_do(card: Card) -> None:
    said = "\n".join(card.plan(user="pi").sentences())
    for part in (
        "python3-picamera2",
        "opt/mqcam is made",
        "pi joins its group",
        "etc/mqcam/credentials.yaml, for root alone",
        "device.yaml is written",
        "mqcam-device.service, which is enabled and started",
    ):
        assert part in said


def test_the_camera_library_is_for_a_pi_with_the_system_of_a_pi(card: Card) -> None:
    assert "python3-picamera2" in card.plan().packages
    assert card.plan(replace(PI, model=None)).packages == ()
    foreign = card.plan(replace(PI, has_pi_packages=False))
    assert foreign.packages == ()
    assert "NOT python3-picamera2" in foreign.sentences()[-1]


def test_a_machine_does_not_become_another_camera_by_accident(card: Card) -> None:
    card.is_somebody("back")
    told = card.refused()
    assert "is the camera back already" in told
    assert "--replace" in told
    assert "--instance" in told
    assert card.plan(is_replacing=True).is_replacing
    assert card.plan(is_instance=True).site.unit == "mqcam-device@front.service"


def test_the_same_camera_is_welcome_again(card: Card) -> None:
    card.is_somebody("front")
    assert card.plan().paper is not None


def test_an_instance_has_files_and_a_unit_of_its_own(card: Card) -> None:
    site = card.plan(is_instance=True).site
    assert site.config == card.root / "etc/mqcam/front.yaml"
    assert site.credentials == card.root / "etc/mqcam/front.credentials.yaml"


def test_an_instance_may_not_take_the_name_of_the_single_one(card: Card) -> None:
    card.file = card.write(replace(FRONT, name="device"))
    assert "cannot be one of several" in card.refused(is_instance=True)


def test_a_card_to_be_copied_is_nobody_yet(card: Card) -> None:
    card.is_somebody("front")
    assert "every copy of its card would be the same one" in card.refused(
        file=None, is_prepared=True
    )


def test_state_alone_makes_a_card_somebody_too(card: Card) -> None:
    (card.root / "var/lib/mqcam").mkdir(parents=True)
    (card.root / "var/lib/mqcam/front.client-id").touch()
    assert "front.client-id" in card.refused(file=None, is_prepared=True)


def test_what_cannot_be_meant_is_refused(card: Card) -> None:
    assert "name no file" in card.refused(is_prepared=True)
    assert "name the credentials file" in card.refused(file=None)
