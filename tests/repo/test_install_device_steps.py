"""What ./install-device does, and undoes; one long test installs everything for real."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes.commands import PYTHON
from support.installations import FRONT, Card
from support.tree import ROOT

from scripts.install_device.__main__ import parser
from scripts.install_device.commands import RealCommands
from scripts.install_device.outcome import PATIENCE_S, Outcome
from scripts.install_device.refusal import Refused
from scripts.install_device.site import Site
from scripts.install_device.work import Removal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return Card(tmp_path)


LOG = "var/log/mqcam-install.log"


# the work


def test_everything_is_done_in_its_order(card: Card) -> None:
    card.install(user="pi")
    wanted = (
        "install-packages.sh python3-picamera2",
        "-m venv --clear --system-site-packages",
        "--require-hashes --only-binary :all:",
        "--no-deps --no-index",
        "systemd-sysusers",
        "usermod -aG mqcam pi",
        " import ",
        "daemon-reload",
        "enable mqcam-device.service",
        " check ",
        "restart mqcam-device.service",
    )
    lines = iter(card.commands.called)
    assert [word for word in wanted if not any(word in line for line in lines)] == []
    assert (card.root / "etc/systemd/system/mqcam-device@.service").is_file()
    assert (card.root / "usr/local/bin/mqcam-device").is_symlink()


def test_two_installers_do_not_work_at_once(card: Card) -> None:
    log = Site(root=card.root).log
    log.parent.mkdir(parents=True)
    with log.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="another install-device is at work"):
            card.install()
        assert not card.commands.ran("pip")
    card.install()


def test_typed_again_it_brings_the_program_up_to_date(card: Card) -> None:
    card.install()
    card.commands.called.clear()
    card.install()
    assert not card.commands.ran("-m venv")
    assert card.commands.ran("--require-hashes")
    assert card.commands.ran("restart")


@pytest.mark.parametrize("damage", ["an older Python", "made halfway", "alone"])
def test_an_environment_that_is_no_use_is_made_anew(card: Card, damage: str) -> None:
    plan = card.install()
    config = plan.site.program / "pyvenv.cfg"
    if damage == "made halfway":
        (plan.site.program / "bin/pip").unlink()
    elif damage == "alone":
        config.write_text(config.read_text().replace("= true", "= false"))
    else:
        config.write_text(config.read_text().replace(PYTHON, "3.10"))
    assert card.plan().is_venv_new


def test_a_step_that_fails_is_said_with_where_to_look(card: Card) -> None:
    card.commands.failing["--require-hashes"] = "no route to host"
    with pytest.raises(Refused, match=r"is the network up\? .*mqcam-install.log"):
        card.install()
    assert not card.commands.ran("systemctl")


def test_what_the_program_says_of_the_credentials_is_passed_on(card: Card) -> None:
    card.commands.failing[" import "] = f"{card.file}: certificate: is made for another key\n"
    with pytest.raises(Refused, match=r"made for another key$"):
        card.install()
    assert not card.commands.ran("systemctl")


def test_a_mistake_in_an_edited_configuration_is_told_and_not_started(card: Card) -> None:
    card.commands.failing[" check "] = "device.yaml:3:3: max_viewer: unknown key"
    with pytest.raises(Refused, match="max_viewer: unknown key"):
        card.install()
    assert not card.commands.ran("restart")


def test_a_prepared_card_waits_for_its_credentials(card: Card) -> None:
    plan = card.install(file=None, is_prepared=True)
    assert card.commands.ran("enable mqcam-device.service mqcam-import.service")
    assert not card.commands.ran("restart")
    assert not card.commands.ran(" import ")
    assert plan.site.traces() == []


# what came of it


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def wait(self, seconds: float) -> None:
        self.now_s += seconds


def outcome(card: Card, broker: list[str]) -> tuple[Outcome, Clock]:
    clock = Clock()
    card.commands.broker = broker
    site = Site(root=card.root)
    return Outcome(
        site=site, commands=card.commands, now=lambda: clock.now_s, wait=clock.wait
    ), clock


def test_it_waits_until_the_camera_is_online(card: Card) -> None:
    waiting, clock = outcome(card, ["", "not connected", "connected to mqtts://nas.local:8883"])
    assert waiting.wait_until_online() == "mqtts://nas.local:8883"
    assert clock.now_s == 2


@pytest.mark.parametrize(
    ("broker", "said"),
    [
        ("the broker at nas.local cannot be reached", "nas.local cannot be reached"),
        ("", "no way to the broker"),
    ],
)
def test_a_camera_that_stays_offline_says_why(card: Card, broker: str, said: str) -> None:
    waiting, clock = outcome(card, [broker])
    with pytest.raises(Refused, match=said):
        waiting.wait_until_online()
    assert clock.now_s == PATIENCE_S


# and away again


def remove(card: Card, *, is_purging: bool = False) -> Removal:
    return Removal(
        site=Site(root=card.root),
        commands=card.commands,
        is_purging=is_purging,
        is_elsewhere=False,
    )


def test_what_was_installed_can_be_removed_and_who_the_camera_is_stays(card: Card) -> None:
    card.install()
    card.is_somebody()
    card.is_somebody("back", "back.credentials.yaml")
    remove(card).do_all()
    left = [name for name in card.files() if not (card.root / name).is_dir()]
    assert left == ["etc/mqcam/back.credentials.yaml", "etc/mqcam/credentials.yaml", LOG]
    assert card.commands.ran("disable --now mqcam-device.service")
    assert card.commands.ran("disable --now mqcam-device@back.service")


def test_purged_nothing_is_left(card: Card) -> None:
    card.install()
    card.is_somebody()
    remove(card, is_purging=True).do_all()
    assert [name for name in card.files() if not (card.root / name).is_dir()] == [LOG]


def test_a_broker_on_the_same_machine_keeps_its_program(card: Card) -> None:
    plan = card.install()
    (plan.site.units / "mqcam-broker.service").touch()
    removal = remove(card, is_purging=True)
    assert any("the broker runs from it" in sentence for sentence in removal.sentences())
    removal.do_all()
    assert plan.site.program.is_dir()


# the command itself


def run(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / "install-device"), *map(str, words)],
        env={"MQCAM_PYTHON": sys.executable, "PATH": os.environ["PATH"], **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=500,  # for the one that installs: the others are ended by pytest
        check=False,
    )


def test_a_refusal_is_one_sentence_and_leaves_nothing(card: Card) -> None:
    card.file.write_text("kind: viewer\nname: anna\n")
    done = run(card.file, "--root", card.root)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"install-device: {card.file}: these are a viewer's")
    assert done.stderr.count("\n") == 1
    assert card.files() == []


def test_removing_asks_first(card: Card) -> None:
    done = run("--uninstall", "--root", card.root)
    assert done.returncode == 1
    assert "add --yes" in done.stderr


def test_purging_alone_cannot_be_meant(card: Card) -> None:
    assert run("--purge").returncode == 2


def test_an_old_python_is_told(tmp_path: Path) -> None:
    for name in ("sh", "dirname", "readlink"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "python3").write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\n')
    (tmp_path / "python3").chmod(0o755)
    done = run(MQCAM_PYTHON="none", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed, and Python 3.9.2 was found" in done.stderr


def test_other_programs_are_called_with_a_deadline_and_written_down(tmp_path: Path) -> None:
    commands = RealCommands(log=tmp_path / "var/log/log", environ={"PATH": os.environ["PATH"]})
    assert commands.call(["sh", "-c", "echo out; echo err >&2; exit 3"]).code == 3
    assert commands.call(["no-such-program"]).code == -1
    assert "not done after" in commands.call(["sleep", "50"], limit_s=0.01).said
    text = (tmp_path / "var/log/log").read_text()
    assert "out\nerr\n" in text


def test_the_page_tells_options_that_exist() -> None:
    words = re.findall(r"\./install-device([^`\n]*)", (ROOT / "docs/raspberry-pi.md").read_text())
    assert len(words) >= 5
    for line in words:
        parser().parse_args(line.split())  # ends the test where an option is none


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED without root: a whole installation")
@pytest.mark.skipif(
    shutil.which("systemctl") is None or shutil.which("systemd-sysusers") is None,
    reason="NOT TESTED without systemd's programs: a whole installation",
)
def test_everything_is_installed_for_real_twice_and_removed(card: Card) -> None:
    card.file = card.write(replace(FRONT, ca=None))
    environ = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or "proxy" in k}
    done = run(card.file, "--root", card.root, **environ)
    if "is the network up?" in done.stderr:
        pytest.skip("NOT TESTED without a network: a whole installation")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.index("this installs") < done.stdout.index("credentials of front")
    site = Site(root=card.root)
    wants = site.units / "multi-user.target.wants"
    assert (wants / "mqcam-device.service").is_symlink()
    assert site.resident() == "front"
    said = subprocess.check_output(
        [site.command, "check", "--config", site.config], text=True, timeout=60
    )
    assert "good; front" in said
    has_no_numpy = "import importlib.util as u; print(u.find_spec('numpy').origin)"
    numpy = subprocess.run(
        [site.program / "bin/python", "-c", has_no_numpy],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # One of ours would break what apt has built against its own.
    assert str(site.program) not in numpy.stdout

    with site.config.open("a") as config:
        config.write("max_viewers: 3\n")
    again = run(card.file, "--root", card.root, **environ)
    assert (again.returncode, again.stderr) == (0, "")
    assert "brought up to date" in again.stdout
    assert "max_viewers: 3" in site.config.read_text()

    back = card.write(replace(FRONT, name="back", ca=None))
    assert "--replace" in run(back, "--root", card.root, **environ).stderr
    assert run("--uninstall", "--purge", "--yes", "--root", card.root).returncode == 0
    assert not site.program.exists()
    assert site.traces() == []
    prepared = run("--prepare", "--root", card.root, **environ)
    assert (prepared.returncode, prepared.stderr) == (0, "")
    assert (wants / "mqcam-import.service").is_symlink()
    assert site.traces() == []
