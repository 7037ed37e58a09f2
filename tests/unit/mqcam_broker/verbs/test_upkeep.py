"""What the commands `renew`, `move`, `backup`, `restore`, `adopt` and `export` say and return."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, TypeAlias

import pytest
from mqcam_broker.cli import main
from mqcam_broker.mosquitto.process import Listener, Reload
from mqcam_broker.owner.publication import Publication

if TYPE_CHECKING:
    from pathlib import Path

Captured: TypeAlias = "pytest.CaptureFixture[str]"

USER = ("--user", pwd.getpwuid(os.geteuid()).pw_name)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Path:
    """Return a new broker's directory that every command finds, with the viewer anna."""
    path = tmp_path / "broker"
    monkeypatch.setenv("MQCAM_BROKER_DIR", str(path))
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--address", "nas.local", *USER]) == 0
    assert main(["add-viewer", "anna"]) == 0
    capsys.readouterr()
    return path


def said(capsys: Captured) -> tuple[str, str]:
    read = capsys.readouterr()
    return read.out, read.err


def test_renew_says_how_it_stands(home: Path, capsys: Captured) -> None:
    assert main(["renew"]) == 0
    assert "is good until" in said(capsys)[0]


def test_a_new_certificate_waits_for_a_broker_that_is_not_running(
    home: Path, capsys: Captured
) -> None:
    assert main(["renew", "--force"]) == 0
    output, _ = said(capsys)
    assert "has a new certificate" in output
    assert "mqcam-broker run" in output


def test_a_listener_with_the_old_certificate_wants_a_restart(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam_broker.verbs.upkeep.reload_broker", lambda _directory: Reload.DONE)
    stale = [Listener(port=8084)]
    monkeypatch.setattr("mqcam_broker.verbs.upkeep.stale_listeners", lambda _directory: stale)
    assert main(["renew", "--force"]) == 0
    assert "Restart the broker: port 8084 shows the old certificate" in said(capsys)[0]
    assert main(["renew", "--force", "--restart", "touch 'the broker restarted'"]) == 0
    assert (home.parent / "the broker restarted").exists()
    assert main(["renew", "--force", "--restart", "false"]) == 1


def test_a_missing_owners_key_ends_renew_with_a_failure(home: Path, capsys: Captured) -> None:
    (home / "owner.key").rename(home.parent / "stick")
    assert main(["renew", "--new-authority"]) == 78
    assert "--owner-key" in said(capsys)[1]
    assert main(["renew", "--new-authority", "--owner-key", str(home.parent / "stick")]) == 0
    assert "next authority is made" in said(capsys)[0]


@pytest.mark.parametrize(
    "words",
    [
        ["--days", "3"],
        ["--old", "anna.viewer.yaml"],
        ["anna"],
        ["anna", "--days", "0"],
        ["anna", "--until", "2001-01-01"],
        ["anna", "--until", "2027-01-01", "--days", "3"],
        ["--certificate", "x"],
        ["nobody", "--days", "3"],
    ],
)
def test_what_cannot_be_meant_is_a_mistake(home: Path, words: list[str]) -> None:
    try:
        code = main(["renew", *words])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2


def test_a_grant_is_renewed_in_the_file_that_is_at_hand(home: Path, capsys: Captured) -> None:
    before = (home.parent / "anna.viewer.yaml").read_text()
    assert main(["renew", "anna", "--days", "30", "--old", "anna.viewer.yaml"]) == 0
    after = (home.parent / "anna.viewer.yaml").read_text()
    assert before != after
    assert before.splitlines()[:8] == after.splitlines()[:8]
    output, _ = said(capsys)
    assert "may watch until" in output
    assert "longer grant of before is revoked" in output


def test_a_move_that_is_not_published_is_a_failure(
    home: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = Publication(is_done=False, problem="the broker is gone")
    monkeypatch.setattr("mqcam_broker.verbs.upkeep.publish_state", lambda _directory: lost)
    assert main(["move", "new.local"]) == 1
    output, errors = said(capsys)
    assert "mqtts://new.local:8883" in output
    assert "the broker is gone" in errors


def test_a_move_says_what_comes_next(home: Path, capsys: Captured) -> None:
    assert main(["move", "new.local"]) == 0
    output, _ = said(capsys)
    for word in ("backup", "restore", "Leave this one running", "a week"):
        assert word in output
    assert "nothing listens" not in output


def test_a_move_to_another_port_names_the_line_that_must_change(
    home: Path, capsys: Captured
) -> None:
    assert main(["move", "new.local:9000", "newer.local"]) == 0
    output, _ = said(capsys)
    assert "'listener 8883': nothing listens on port 9000." in output
    assert "mosquitto.conf" in output
    assert main(["backup", "b.tar"]) == 0
    assert main(["restore", "b.tar", "--dir", str(home.parent / "new"), *USER]) == 0
    assert "nothing listens on port 9000." in said(capsys)[0]


def test_a_backup_says_what_it_holds(home: Path, capsys: Captured) -> None:
    assert main(["backup", "b.tar"]) == 0
    output, _ = said(capsys)
    assert "0 devices and 1 viewer" in output
    assert "the owner's key: whoever has this file" in output
    assert main(["backup", "c.tar", "--without-owner-key"]) == 0
    assert "not the owner's key" in said(capsys)[0]
    assert main(["backup", "b.tar"]) == 1
    assert "exists already" in said(capsys)[1]


def test_a_restored_broker_says_who_must_be_removed_again(home: Path, capsys: Captured) -> None:
    main(["backup", "b.tar", "--without-owner-key"])
    capsys.readouterr()
    place = home.parent / "new"
    assert main(["restore", "b.tar", "--dir", str(place), *USER]) == 0
    output, _ = said(capsys)
    assert "must be removed again" in output
    assert "Put the owner's key at" in output
    assert main(["list", "--dir", str(place)]) == 0
    assert "anna" in said(capsys)[0]


def test_a_file_that_is_no_backup_is_refused(home: Path, capsys: Captured) -> None:
    (home.parent / "b.tar").write_text("no")
    assert main(["restore", "b.tar", "--dir", str(home.parent / "new"), *USER]) == 1
    assert "is no backup of a broker" in said(capsys)[1]
    assert main(["restore", "missing.tar", "--dir", str(home.parent / "new"), *USER]) == 1


def test_a_careless_broker_is_adopted_with_one_warning(tmp_path: Path, capsys: Captured) -> None:
    place = ["--dir", str(tmp_path / "adopted")]
    secret = tmp_path / "password"
    secret.write_text("of-everybody\n")
    secret.chmod(0o600)
    words = ["mqtt://ha.local", "--shared-user", "home", "--password-file", str(secret)]
    assert main(["adopt", *words, *place]) == 0
    output, errors = said(capsys)
    assert errors.count("mqcam-broker:") == 1
    assert "not encrypted and everybody has one account" in errors
    assert "of-everybody" not in output + errors
    assert main(["export", "--existing", *place]) == 0
    output, _ = said(capsys)
    assert "user home" in output
    assert "hashes" not in output
    assert "of-everybody" not in output


def test_members_with_one_account_are_told_what_is_true_of_it(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "mqcam_broker.changes.membership.publish_state", lambda _: Publication(is_done=True)
    )
    secret = tmp_path / "password"
    secret.write_text("of-everybody\n")
    secret.chmod(0o600)
    place = ["--dir", str(tmp_path / "adopted")]
    words = ["mqtts://ha.local", "--shared-user", "home", "--password-file", str(secret)]
    assert main(["adopt", *words, *place]) == main(["add-viewer", "anna", *place]) == 0
    output, _ = said(capsys)
    assert "export" not in output
    assert "does not know it yet" not in output
    assert main(["remove", "anna", *place]) == 0
    output, _ = said(capsys)
    assert "still lets anna in, as everybody: as home" in output
    assert "shut out" not in output
    assert "export" not in output


def test_who_is_removed_from_somebody_elses_broker_must_be_taken_out_there(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "mqcam_broker.changes.membership.publish_state", lambda _: Publication(is_done=True)
    )
    place = ["--dir", str(tmp_path / "adopted")]
    assert main(["adopt", "mqtts://ha.local", *place]) == main(["add-viewer", "anna", *place]) == 0
    assert "paste what mqcam-broker export" in said(capsys)[0]
    assert main(["remove", "anna", *place]) == 0
    assert "still lets anna in, until you take anna's lines out" in said(capsys)[0]


def test_an_encrypted_broker_is_adopted_without_a_warning(tmp_path: Path, capsys: Captured) -> None:
    assert main(["adopt", "mqtts://ha.local", "--dir", str(tmp_path / "adopted")]) == 0
    assert said(capsys)[1] == ""


@pytest.mark.parametrize(
    "words", [["nas.local"], ["http://x"], ["mqtt://x", "--shared-user", "home"]]
)
def test_what_cannot_be_adopted_is_a_mistake(tmp_path: Path, words: list[str]) -> None:
    assert main(["adopt", *words, "--dir", str(tmp_path / "adopted")]) == 2
    assert not (tmp_path / "adopted").exists()
