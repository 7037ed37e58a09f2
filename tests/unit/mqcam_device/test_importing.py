from __future__ import annotations

import os
import pathlib
import stat
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import Credentials, load_credentials, write_credentials
from mqcam.errors import CredentialsError, SourceError
from mqcam.trust.keys import SigningKey
from mqcam_device import card
from mqcam_device.camerasettings import PicameraSource
from mqcam_device.cli import main
from mqcam_device.importing import Importer, Sight, list_cameras
from mqcam_device.preset import Found, Sighting
from mqcam_device.settings import PatternSource, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SECRET = SigningKey(b"1" * 32).secret_text()
FRONT = Credentials(kind="device", name="front", broker=("mqtts://nas.local",), identity=SECRET)
BACK = replace(FRONT, name="back", identity=SigningKey(b"2" * 32).secret_text())
RIBBON = Sighting(cameras=(Found(kind="picamera", id="/base/imx708@1a", model="imx708"),))
NOTHING = Sighting()


class Looks:
    """Answers the looks for cameras in their order, the last one for ever."""

    def __init__(self, answers: Iterable[Sighting | SourceError]) -> None:
        self.answers = list(answers)
        self.passed_s = 0.0

    def look(self) -> Sighting:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SourceError):
            raise answer
        return answer

    def wait(self, seconds: float) -> None:
        self.passed_s += seconds

    def sight(self, patience_s: float) -> Sight:
        return Sight(
            look=self.look, patience_s=patience_s, now=lambda: self.passed_s, wait=self.wait
        )


@dataclass
class Machine:
    """A machine with a boot partition, and one camera on its ribbon cable."""

    etc: Path
    boot: Path

    @property
    def importer(self) -> Importer:
        sight = Looks([RIBBON]).sight(0)
        return Importer(config=self.etc / "device.yaml", sight=sight)

    def arrive(self, credentials: Credentials, name: str = "") -> Path:
        path = self.boot / (name or f"{credentials.name}.mqcam")
        write_credentials(path, credentials)
        path.chmod(0o755)  # as everything on a FAT partition
        return path

    def files(self) -> list[str]:
        return sorted(path.name for path in self.boot.iterdir())

    def boot_up(self) -> tuple[str, ...]:
        return self.importer.import_card((self.boot,)).said

    def refused(self) -> str:
        with pytest.raises(CredentialsError) as caught:
            self.boot_up()
        return str(caught.value)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "boot").mkdir()
    return Machine(etc=tmp_path / "etc/mqcam", boot=tmp_path / "boot")


def test_a_file_on_the_card_makes_a_camera_and_is_gone(machine: Machine) -> None:
    machine.arrive(FRONT)
    said = machine.boot_up()
    assert load_credentials(machine.etc / "credentials.yaml") == FRONT
    assert load_settings(machine.etc / "device.yaml").source == PicameraSource(kind="picamera")
    assert machine.files() == []
    assert "imx708" in said[0]
    assert said[-1].endswith("erased")


def test_credentials_are_for_root_alone_and_the_configuration_for_all(machine: Machine) -> None:
    machine.arrive(FRONT)
    machine.boot_up()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in machine.etc.iterdir()}
    assert modes == {"credentials.yaml": 0o600, "device.yaml": 0o644}
    assert SECRET not in (machine.etc / "device.yaml").read_text()


def test_a_callers_umask_does_not_hide_the_folder_from_the_agent(machine: Machine) -> None:
    machine.arrive(FRONT)
    former = os.umask(0o077)
    try:
        machine.boot_up()
    finally:
        os.umask(former)
    assert stat.S_IMODE(machine.etc.stat().st_mode) == 0o755
    assert stat.S_IMODE((machine.etc / "device.yaml").stat().st_mode) == 0o644


def test_two_files_on_one_card_are_both_refused(machine: Machine) -> None:
    machine.arrive(FRONT)
    machine.arrive(BACK, "back.device.yaml")
    told = machine.refused()
    assert "back.device.yaml, front.mqcam" in told
    assert not machine.etc.exists()
    assert machine.files() == [
        "back.device.yaml",
        "back.device.yaml.refused.txt",
        "front.mqcam",
        "front.mqcam.refused.txt",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kind: viewer\nname: anna\nbroker: [mqtts://nas]\n", "a viewer's credentials"),
        (b"kind: device\nname: front\n", "broker"),
        (b"kind: device\nname: front\nbroker: [mqtts://nas]\n", "names no identity"),
        (b"credentials: credentials.yaml\n", "a camera's configuration"),
        (b"\xff\xfe\0\0", "UTF-8"),
        (b"", "is empty"),
        (bytes(70_000), "bigger than"),
    ],
)
def test_a_file_that_cannot_be_used_stays_with_the_reason_beside_it(
    machine: Machine, content: bytes, said: str
) -> None:
    (machine.boot / "front.mqcam").write_bytes(content)
    assert said in machine.refused()
    assert (machine.boot / "front.mqcam").read_bytes() == content
    assert said in (machine.boot / "front.mqcam.refused.txt").read_text()
    assert not machine.etc.exists()


def test_the_reason_holds_no_secret_and_goes_with_the_good_file(machine: Machine) -> None:
    path = machine.arrive(FRONT)
    path.write_text(path.read_text().replace("name: front", "nam: front"))
    machine.refused()
    assert SECRET not in (machine.boot / "front.mqcam.refused.txt").read_text()
    machine.arrive(FRONT)
    machine.boot_up()
    assert machine.files() == []


def test_a_camera_does_not_become_another_one_by_accident(machine: Machine) -> None:
    machine.arrive(FRONT)
    machine.boot_up()
    machine.arrive(BACK)
    told = machine.refused()
    assert "is the camera front already" in told
    assert "--replace" in told
    assert load_credentials(machine.etc / "credentials.yaml") == FRONT
    replace(machine.importer, is_replacing=True).import_card((machine.boot,))
    assert load_credentials(machine.etc / "credentials.yaml") == BACK


def test_a_new_key_of_the_same_camera_is_taken_and_its_configuration_kept(
    machine: Machine,
) -> None:
    machine.arrive(FRONT)
    machine.boot_up()
    config = machine.etc / "device.yaml"
    config.write_text("credentials: credentials.yaml\nmax_viewers: 3\n")
    renewed = replace(FRONT, identity=SigningKey(b"3" * 32).secret_text())
    machine.arrive(renewed)
    said = machine.boot_up()
    assert load_credentials(machine.etc / "credentials.yaml") == renewed
    assert load_settings(config).max_viewers == 3
    assert "left as it is" in said[0]


def test_damaged_credentials_are_not_replaced_silently(machine: Machine) -> None:
    machine.etc.mkdir(parents=True)
    (machine.etc / "credentials.yaml").write_text("kind: dev")
    machine.arrive(FRONT)
    assert "--replace" in machine.refused()


def test_a_power_cut_before_the_erasing_is_made_up_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    machine.arrive(FRONT)
    with monkeypatch.context() as patched:
        patched.setattr(card, "erase", cut)
        assert "imported, but not erased" in machine.refused()
    assert machine.files() == ["front.mqcam"]
    machine.boot_up()
    assert machine.files() == []
    assert load_credentials(machine.etc / "credentials.yaml") == FRONT


def test_a_power_cut_while_erasing_is_made_up_for(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_path: Path) -> None:
        raise OSError(5, "Input/output error")

    machine.arrive(FRONT)
    with monkeypatch.context() as patched:
        patched.setattr(pathlib.Path, "unlink", cut)
        assert "imported, but not erased" in machine.refused()
    assert SECRET.encode() not in (machine.boot / "front.mqcam").read_bytes()
    assert machine.boot_up()[-1].endswith("erased")
    assert machine.files() == []
    assert load_credentials(machine.etc / "credentials.yaml") == FRONT


def test_of_two_imports_at_once_the_second_is_refused(machine: Machine) -> None:
    def look() -> Sighting:
        write_credentials(machine.etc / "credentials.yaml", BACK)
        return RIBBON

    machine.arrive(FRONT)
    with pytest.raises(CredentialsError, match="is the camera back already"):
        replace(machine.importer, sight=Sight(look=look)).import_card((machine.boot,))
    assert load_credentials(machine.etc / "credentials.yaml") == BACK
    assert "front.mqcam" in machine.files()


def test_a_card_without_a_file_says_what_it_is_called(machine: Machine) -> None:
    assert "*.mqcam or *.device.yaml" in machine.refused()


def test_a_file_that_is_named_stays(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "front.device.yaml"
    write_credentials(path, FRONT)
    machine.importer.import_file(path)
    assert load_credentials(path) == load_credentials(machine.etc / "credentials.yaml") == FRONT


def test_a_file_that_others_may_read_is_refused_unless_it_comes_on_the_card(
    machine: Machine,
) -> None:
    path = machine.arrive(FRONT)
    with pytest.raises(CredentialsError, match="chmod 600"):
        machine.importer.import_file(path)
    assert not machine.etc.exists()


def test_an_instance_has_files_of_its_own(machine: Machine, tmp_path: Path) -> None:
    write_credentials(tmp_path / "front.mqcam", FRONT)
    importer = replace(machine.importer, config=machine.etc / "front.yaml")
    importer.import_file(tmp_path / "front.mqcam")
    source = load_settings(machine.etc / "front.yaml").source
    assert source == PicameraSource(kind="picamera", camera=RIBBON.cameras[0].id)
    assert load_credentials(machine.etc / "front.credentials.yaml") == FRONT
    second = replace(importer, config=machine.etc / "back.yaml")
    write_credentials(tmp_path / "back.mqcam", BACK)
    second.import_file(tmp_path / "back.mqcam")
    assert load_settings(machine.etc / "back.yaml").source == PatternSource()


def listing(program: str) -> Sighting:
    return list_cameras([sys.executable, "-c", program])


def test_an_empty_list_is_a_list_however_the_listing_ended() -> None:
    seen = listing('print(\'{"cameras": [], "notes": ["dark"]}\'); exit(1)')
    assert seen == Sighting(notes=("dark",))


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; print('a', file=sys.stderr); sys.exit('no camera library')", "no camera lib"),
        ("exit(3)", "exit code 3"),
        ("print('hello')", "no list"),
    ],
)
def test_a_listing_that_fails_is_told(program: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        listing(program)


def test_a_camera_whose_driver_is_late_is_waited_for() -> None:
    looks = Looks([SourceError("cameras", "busy"), NOTHING, RIBBON])
    assert looks.sight(20).cameras() == RIBBON
    assert looks.passed_s == 4


def test_nobody_waits_for_ever_for_a_camera() -> None:
    looks = Looks([NOTHING])
    assert looks.sight(20).cameras() == NOTHING
    assert looks.passed_s == 20


def test_where_cameras_cannot_be_listed_the_import_goes_on(machine: Machine) -> None:
    machine.arrive(FRONT)
    sight = Looks([SourceError("cameras", "libcamera is missing")]).sight(0)
    said = replace(machine.importer, sight=sight).import_card((machine.boot,)).said
    assert "libcamera is missing" in said[0]
    assert load_settings(machine.etc / "device.yaml").source == PatternSource()


def test_the_command_tells_what_it_did_and_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam_device.importing.list_cameras", lambda: RIBBON)
    write_credentials(tmp_path / "front.mqcam", FRONT)
    command = ["import", str(tmp_path / "front.mqcam"), "--config", str(tmp_path / "device.yaml")]
    assert main(command) == 0
    assert "the credentials of front" in capsys.readouterr().out
    write_credentials(tmp_path / "front.mqcam", BACK)
    assert main(command) == 78
    assert "with --replace" in capsys.readouterr().err
    assert main([*command, "--replace"]) == 0
