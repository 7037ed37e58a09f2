"""What ./install-device refuses, says and does; one long test installs everything for real."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fakes.commands import PYTHON, FakeCommands
from mqcam.credentials import Credentials, credentials_of, write_credentials
from mqcam.errors import CredentialsError
from mqcam.trust.keys import SigningKey
from support.tree import ROOT

from scripts.install_device import paper
from scripts.install_device.commands import RealCommands
from scripts.install_device.machine import Machine, look
from scripts.install_device.outcome import PATIENCE_S, Outcome
from scripts.install_device.plan import Plan, Wish, make_plan
from scripts.install_device.refusal import Refused
from scripts.install_device.site import Site
from scripts.install_device.work import Removal, Work, missing_packages

if TYPE_CHECKING:
    from pathlib import Path

KEY = SigningKey(b"1" * 32)
FRONT = Credentials(
    kind="device",
    name="front",
    broker=("mqtts://nas.local", "mqtts://192.0.2.1"),
    ca="-----BEGIN CERTIFICATE-----\nTWljaGFlbA==\n-----END CERTIFICATE-----\n",
    username="front",
    password="it's: #secret",
    identity=KEY.secret_text(),
    turn=("turn:nas.local",),
    turn_secret="1234",
)
PI = Machine(
    user_id=0,
    system="Debian GNU/Linux 12 (bookworm)",
    is_debian=True,
    is_64_bit=True,
    python=(3, 11),
    runs_systemd=True,
    model="Raspberry Pi Zero 2 W Rev 1.0",
    has_pi_packages=True,
    free_bytes=10**10,
)


class Card:
    """A machine below a folder, with a credentials file to install."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.file = self.write(FRONT)
        self.commands = FakeCommands()
        self.said: list[str] = []

    def write(self, credentials: Credentials) -> Path:
        path = self.folder / f"{credentials.name}.mqcam"
        write_credentials(path, credentials)
        return path

    def plan(self, machine: Machine = PI, **wishes: Any) -> Plan:
        wish = Wish(**{"file": self.file, "root": self.root, **wishes})
        # Below another root nothing would be started: these tests look at what would be.
        plan = make_plan(wish, machine, missing=lambda n: missing_packages(self.commands, n))
        return replace(plan, is_elsewhere=False, member=wish.user)

    def install(self, machine: Machine = PI, **wishes: Any) -> Plan:
        plan = self.plan(machine, **wishes)
        Work(plan=plan, commands=self.commands, say=self.said.append).do_all()
        return plan

    def is_somebody(self, name: str = "front", file: str = "credentials.yaml") -> None:
        """Be a machine on which a camera was installed before."""
        (self.root / "etc/mqcam").mkdir(parents=True, exist_ok=True)
        write_credentials(self.root / "etc/mqcam" / file, replace(FRONT, name=name))

    def files(self) -> list[str]:
        return sorted(p.relative_to(self.root).as_posix() for p in self.root.rglob("*"))

    def refused(self, machine: Machine = PI, **wishes: Any) -> str:
        """Return why nothing was touched."""
        before = self.files()
        with pytest.raises(Refused) as caught:
            self.plan(machine, **wishes)
        assert self.commands.called == []
        assert self.files() == before
        return str(caught.value)


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
    assert left == ["etc/mqcam/back.credentials.yaml", "etc/mqcam/credentials.yaml"]
    assert card.commands.ran("disable --now mqcam-device.service")
    assert card.commands.ran("disable --now mqcam-device@back.service")


def test_purged_nothing_is_left(card: Card) -> None:
    card.install()
    card.is_somebody()
    remove(card, is_purging=True).do_all()
    assert [name for name in card.files() if not (card.root / name).is_dir()] == []


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
        timeout=50,
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
