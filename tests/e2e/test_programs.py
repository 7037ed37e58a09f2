"""The programs as a person types them: what they print and how they end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.credentials import load_credentials
from support.agent import SMALL, RunningAgent
from support.films import make_film

if TYPE_CHECKING:
    from support.broker import ShippedBroker

TIMEOUT_S = 40.0


def run(module: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of ours to its end."""
    return subprocess.run(
        [sys.executable, "-m", f"{module}.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def probe(
    broker: ShippedBroker, camera: str, *options: str | Path
) -> subprocess.CompletedProcess[str]:
    """Run ``mqcam-viewer probe`` against a camera on this machine."""
    who = ("--credentials", broker.credentials("viewer", "laptop"), "--loopback")
    return run("mqcam_viewer", "probe", camera, *who, *options)


def test_probe_prints_one_object_about_the_pattern(
    broker: ShippedBroker, camera: RunningAgent, tmp_path: Path
) -> None:
    snapshot = tmp_path / "last.jpg"
    done = probe(broker, camera.name, "--seconds", "2", "--json", "--snapshot", snapshot)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["camera"], report["width"], report["height"]) == (camera.name, 640, 360)
    assert report["frames"] >= 45
    assert 25 < report["fps"] < 35
    assert report["connected_ms"] <= report["first_frame_ms"]
    assert report["latency_ms"]["p50"] > 0
    assert report["bitrate_bps"] > 100_000
    assert report["rtt_ms"] >= 0
    assert report["candidate_pair"] == "host-host udp"
    assert report["reconnects"] == report["packets_lost"] == 0
    assert snapshot.read_bytes().startswith(b"\xff\xd8")


def test_probe_watches_a_film(broker: ShippedBroker, tmp_path: Path) -> None:
    """A film with B-frames and a rate of its own, shorter than the probe: it begins again."""
    film = make_film(tmp_path / "film.mp4", b_frames=2)
    settings = f"source: {{kind: film, path: '{film}'}}\n"
    with RunningAgent(broker, name="cinema", settings=settings):
        done = probe(broker, "cinema", "--seconds", "3", "--json")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["width"], report["height"]) == (320, 240)
    assert 20 < report["fps"] < 30
    assert report["freezes"] == 0


def test_probe_of_a_camera_that_is_not_there_says_so(broker: ShippedBroker) -> None:
    done = probe(broker, "nowhere", "--seconds", "1")

    assert done.returncode == 1
    assert done.stdout == ""
    assert "knows no camera nowhere" in done.stderr


def test_an_interrupted_probe_still_reports(broker: ShippedBroker, camera: RunningAgent) -> None:
    who = ("--credentials", str(broker.credentials("viewer", "laptop")), "--loopback")
    command = [sys.executable, "-m", "mqcam_viewer.cli", "probe", camera.name, *who]
    with subprocess.Popen(
        [*command, "--seconds", "0", "--live", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as viewer:
        assert viewer.stderr is not None
        assert "fps" in viewer.stderr.readline()  # it runs and tells so
        viewer.send_signal(signal.SIGINT)
        output, errors = viewer.communicate(timeout=TIMEOUT_S)

    assert viewer.returncode == 0, errors
    assert json.loads(output)["frames"] > 0


def test_list_shows_who_is_online(broker: ShippedBroker, camera: RunningAgent) -> None:
    credentials = broker.credentials("viewer", "laptop")
    done = run("mqcam_viewer", "list", "--credentials", credentials, "--json")

    assert done.returncode == 0, done.stderr
    cameras = json.loads(done.stdout)
    assert cameras[camera.name]["state"] == "online"
    assert cameras[camera.name]["width"] == 640


def test_a_broker_that_does_not_run_is_said(tmp_path: Path, broker: ShippedBroker) -> None:
    file = tmp_path / "laptop.yaml"
    written = broker.credentials("viewer", "laptop").read_text()
    file.write_text(written.replace(str(broker.port), "1"))
    file.chmod(0o600)
    done = run("mqcam_viewer", "list", "--credentials", file)

    assert done.returncode == 1
    assert "127.0.0.1" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_agent_checks_its_configuration(broker: ShippedBroker, tmp_path: Path) -> None:
    """Every mistake at once, each with its place; the right file is confirmed."""
    credentials = broker.credentials("device", "checked")
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(f"credentials: '{credentials}'\n")
    bad.write_text(f"credentials: '{credentials}'\nvideo: {{fps: 300, hight: 3}}\nmax_viewers: x\n")
    right = run("mqcam_device", "check", "--config", good)
    wrong = run("mqcam_device", "check", "--config", bad)

    assert right.returncode == 0
    assert "checked" in right.stdout
    assert wrong.returncode == 78
    assert len(wrong.stderr.splitlines()) == 3
    assert f"{bad}:2:" in wrong.stderr
    assert f"{bad}:3:" in wrong.stderr


def test_the_running_agent_answers_on_its_socket(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    status = run("mqcam_device", "status", "--config", camera.config, "--json")
    viewers = run("mqcam_device", "viewers", "--config", camera.config)

    assert json.loads(status.stdout)["broker"].startswith("connected to")
    assert viewers.stdout == "nobody is watching\n"


def test_an_agent_that_does_not_run_is_said(broker: ShippedBroker, tmp_path: Path) -> None:
    config = tmp_path / "device.yaml"
    credentials = broker.credentials("device", "asleep")
    config.write_text(f"credentials: '{credentials}'\nruntime_dir: '{tmp_path}'\n")
    done = run("mqcam_device", "status", "--config", config)

    assert done.returncode == 1
    assert "asleep" in done.stderr


def test_no_secret_is_logged_or_on_a_command_line(
    broker: ShippedBroker, camera: RunningAgent
) -> None:
    password = load_credentials(broker.credentials("device", camera.name)).password
    assert password
    commands = [
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (camera.pid, camera.capture_pid())
    ]

    assert password not in camera.log
    assert password.encode() not in b"".join(commands)


def test_a_film_that_is_missing_is_the_cameras_state(broker: ShippedBroker) -> None:
    """The agent stays, tells why there is no picture, and a viewer can see it."""
    settings = SMALL + "source: {kind: film, path: /no/such/film.mp4}\n"
    with RunningAgent(broker, name="empty", settings=settings) as camera:
        credentials = broker.credentials("viewer", "laptop")
        done = run("mqcam_viewer", "list", "--credentials", credentials)
        status = camera.ask("status")

        seen = probe(broker, "empty", "--seconds", "4", "--json")

    report = json.loads(seen.stdout)
    assert (seen.returncode, report["frames"], report["reconnects"]) == (1, 0, 0)
    assert 'connected, but no picture came: the camera says "failed": ' in seen.stderr
    assert "film.mp4" in seen.stderr
    assert "film.mp4" in status["source_text"]
    assert "film.mp4" in done.stdout
