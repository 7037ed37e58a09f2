"""Two people and one camera, no owner: an invitation, a y, the picture, and the end of it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from mqcam.credentials import load_credentials
from mqcam.errors import MqcamError, SessionError
from mqcam.ice import IceSettings
from mqcam_viewer import connect
from mqcam_viewer.client import Client
from support.agent import SMALL, RunningAgent
from support.sharing import PASSWORD, SharedBroker
from support.terminal import AtTerminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 40.0
GONE_S = 1.0
"""How soon a viewer that is shut out must have lost the picture."""

NO_KEYRING = {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
FINGERPRINT = re.compile(r"\b(?:[0-9a-f]{4} ){5}[0-9a-f]{4}\b")
LINE = re.compile(r"^MQCAM:[A-Z2-7]+$", re.MULTILINE)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedBroker]:
    with SharedBroker(tmp_path_factory.mktemp("house")) as running:
        yield running


@pytest.fixture(scope="module")
def camera(house: SharedBroker) -> Iterator[RunningAgent]:
    with RunningAgent(house, settings=SMALL) as running:
        yield running


@pytest.fixture(autouse=True)
def without_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the keyring of whoever runs the tests alone."""
    for name, value in NO_KEYRING.items():
        monkeypatch.setenv(name, value)


def invite(camera: RunningAgent, *options: str) -> AtTerminal:
    return AtTerminal("mqcam_device", "pair", "--config", str(camera.config), *options)


def line_in(shown: str) -> str:
    found = LINE.search(shown)
    assert found is not None, shown
    return found[0]


def run(module: str, *arguments: str | Path, line: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"{module}.cli", *map(str, arguments)],
        input=line,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def visit(line: str, *options: str | Path) -> subprocess.Popen[str]:
    """Begin to pair as a viewer."""
    visitor = subprocess.Popen(
        [sys.executable, "-m", "mqcam_viewer.cli", "pair", *map(str, options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert visitor.stdin is not None
    visitor.stdin.write(line)
    visitor.stdin.close()
    visitor.stdin = None
    return visitor


def pair(camera: RunningAgent, file: Path, name: str) -> tuple[str, str]:
    """Pair for real; return what the terminal at the camera and the viewer showed."""
    with invite(camera, "--share-account") as terminal:
        visitor = visit(line_in(terminal.until("Ctrl-C ends it")), "--name", name, "--output", file)
        shown = terminal.until("Let it in? [y/N]")
        terminal.write("y\n")
        told, errors = visitor.communicate(timeout=TIMEOUT_S)
        assert visitor.returncode == 0, errors
        assert terminal.end() == 0, terminal.shown
    return shown, told


async def test_who_was_let_in_watches_until_he_is_shut_out(
    camera: RunningAgent, tmp_path: Path
) -> None:
    file = tmp_path / "laptop.viewer.yaml"
    shown, told = await asyncio.to_thread(pair, camera, file, "laptop")

    # Both sides show the same two fingerprints, and the file holds one account and one identity.
    assert set(FINGERPRINT.findall(shown)) == set(FINGERPRINT.findall(told))
    assert len(set(FINGERPRINT.findall(shown))) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert load_credentials(file).password == PASSWORD
    assert PASSWORD not in told + shown + camera.log
    who = ("--credentials", file, "--loopback")
    probe = await asyncio.to_thread(
        run, "mqcam_viewer", "probe", camera.name, *who, "--seconds", "1", "--json"
    )
    assert probe.returncode == 0, probe.stderr
    assert json.loads(probe.stdout)["frames"] >= 15
    listed = await asyncio.to_thread(
        run, "mqcam_device", "viewers", "--config", camera.config, "--json"
    )
    (allowed,) = json.loads(listed.stdout)["allowed"]
    assert (allowed["viewer"], allowed["rights"]) == ("laptop", ["view"])

    last_s, revoked_s = await watch_and_revoke(camera, file)

    assert last_s - revoked_s < GONE_S
    with pytest.raises(SessionError, match="shut out at this camera"):
        async with connect(camera.name, file, ice=IceSettings(loopback=True)):
            pass


async def watch_and_revoke(camera: RunningAgent, file: Path) -> tuple[float, float]:
    """Watch, have the viewer shut out, and return when the last picture came and when it was."""
    last_s = 0.0
    playing = asyncio.Event()

    async def watch() -> None:
        nonlocal last_s
        async with (
            Client(file, ice=IceSettings(loopback=True)) as client,
            client.watch(camera.name) as stream,
        ):
            async for _ in stream:
                last_s = time.monotonic()
                playing.set()

    watching = asyncio.create_task(watch(), name="watch")
    async with asyncio.timeout(TIMEOUT_S):
        await playing.wait()
        done = await asyncio.to_thread(
            run, "mqcam_device", "revoke", "laptop", "--config", camera.config
        )
        revoked_s = time.monotonic()
        assert done.returncode == 0, done.stderr
        assert "1 of its sessions ended" in done.stdout
        with pytest.raises(MqcamError, match=r"shut out|right"):
            await watching
    assert time.monotonic() - revoked_s < GONE_S
    return last_s, revoked_s


def test_another_camera_on_the_same_account_adds_a_pin(
    house: SharedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    file = tmp_path / "tablet.viewer.yaml"
    pair(camera, file, "tablet")
    before = file.read_bytes()
    with RunningAgent(house, name="back", settings=SMALL) as back, invite(back) as terminal:
        visitor = visit(line_in(terminal.until("Ctrl-C ends it")), "--credentials", file)
        terminal.until("tablet asks to be let in")
        terminal.until("Let it in? [y/N]")
        terminal.write("y\n")
        assert visitor.communicate(timeout=TIMEOUT_S)[1] == ""
        assert (visitor.returncode, terminal.end()) == (0, 0)
        for name in (camera.name, back.name):
            who = ("--credentials", file, "--loopback", "--seconds", "0.5")
            done = run("mqcam_viewer", "probe", name, *who)
            assert done.returncode == 0, done.stderr
    assert file.read_bytes() == before


def test_a_no_is_told_and_leaves_no_file(camera: RunningAgent, tmp_path: Path) -> None:
    file = tmp_path / "phone.viewer.yaml"
    with invite(camera, "--share-account") as terminal:
        visitor = visit(
            line_in(terminal.until("Ctrl-C ends it")), "--name", "phone", "--output", file
        )
        terminal.until("Let it in? [y/N]")
        terminal.write("n\n")
        assert "said no" in visitor.communicate(timeout=TIMEOUT_S)[1]
        terminal.until("turned away")
        terminal.interrupt()
        assert terminal.end() == 130
    assert visitor.returncode == 1
    assert not file.exists()
    assert not camera.ask("pairing")["open"]


def test_ctrl_c_at_the_camera_takes_the_invitation_back(
    camera: RunningAgent, tmp_path: Path
) -> None:
    """Who waits is told; who comes later hears nothing, as with a wrong secret."""
    with invite(camera, "--share-account") as terminal:
        line = line_in(terminal.until("Ctrl-C ends it"))
        visitor = visit(line, "--name", "phone", "--output", tmp_path / "a.yaml")
        terminal.until("Let it in? [y/N]")
        terminal.interrupt()
        assert terminal.end() == 130
        assert "was ended before anybody said yes" in visitor.communicate(timeout=TIMEOUT_S)[1]
    late = run("mqcam_viewer", "pair", "--output", tmp_path / "b.yaml", line=line)
    assert late.returncode == 1
    assert "does not answer to this invitation" in late.stderr


def test_an_invitation_without_an_account_says_what_is_missing(
    camera: RunningAgent, tmp_path: Path
) -> None:
    with invite(camera) as terminal:
        line = line_in(terminal.until("Ctrl-C ends it"))
        assert "It holds no account" in terminal.shown
        done = run("mqcam_viewer", "pair", "--output", tmp_path / "a.yaml", line=line)
        assert done.returncode == 2
        assert "--share-account" in done.stderr


def test_a_pipe_is_no_person(camera: RunningAgent) -> None:
    done = run("mqcam_device", "pair", "--config", camera.config, line="y\n")
    assert done.returncode == 2
    assert "no terminal" in done.stderr
    assert done.stdout == ""
