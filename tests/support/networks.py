"""Broker, camera and viewer as shipped, on hosts that reach each other only as a test wants.

It must not know what is looked for. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from support.certificates import Authority
from support.coturn import PASSWORD, USER, Coturn
from support.namespaces import Apart
from support.star import Star

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

TIMEOUT_S = 30.0
Network = TypeVar("Network", bound=Apart | Star)
BROKER_PORT = 8883
TURN_PORT = 3478
TLS_PORT = 5349
POLL_S = 0.01
AGENT = ("-m", "mqcam_device.cli")
"""The shipped command."""
VIEWERS = ("laptop", "tablet")
SMALL_VIDEO = "video: {size: 640x360, bitrate_bps: 800000}\n"


class Programs(Generic[Network]):
    """Start programs of ours on hosts; a context manager that ends them."""

    def __init__(self, network: Network) -> None:
        self.network: Network = network
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mqcam-")))
        self.folder.chmod(0o711)
        self.environment = dict(os.environ)

    def log_file(self, name: str) -> Path:
        """Return where the ``broker`` or the camera ``front`` writes what it says."""
        return self.folder / f"{name}.log"

    def start_broker(self, host: str, address: str, *options: str) -> None:
        """Start a broker with a camera and viewers in its books; ``options`` are those of init."""
        tool = ("mqcam_broker.cli", "--dir", f"{self.folder}/broker")
        self._run("init", *tool, "--address", address, "--port", str(BROKER_PORT), *options)
        self._run("add-device", *tool, "front", "--output", f"{self.folder}/front.yaml")
        for name in VIEWERS:
            self._run("add-viewer", *tool, name, "--output", f"{self.folder}/{name}.yaml")
        self._start(
            host,
            ("-m", "mqcam_broker.cli"),
            "run",
            "--dir",
            f"{self.folder}/broker",
            ready="broker ready",
            log="broker",
        )

    def start_coturn(self, host: str, address: str) -> Coturn:
        """Start a TURN server whose certificate all programs started later trust."""
        authority = Authority()
        issued = authority.issue(address)
        paths = [self.folder / name for name in ("turn.pem", "turn.key", "authority.pem")]
        texts = (issued.certificate_pem, issued.key_pem, authority.pem)
        for path, text in zip(paths, texts, strict=True):
            path.write_text(text)
        self.environment["SSL_CERT_FILE"] = str(paths[2])
        password = self.folder / "turn-password"
        password.write_text(f"{PASSWORD}\n")
        password.chmod(0o600)
        return self._stack.enter_context(
            Coturn(
                [address],
                port=TURN_PORT,
                tls_port=TLS_PORT,
                certificate=(paths[0], paths[1]),
                command=self.network.command(host),
            )
        )

    def start_camera(
        self,
        host: str,
        ice: str = "",
        *,
        settings: str = SMALL_VIDEO,
        program: Sequence[str] = AGENT,
    ) -> int:
        """Start the agent; ``ice`` is what its configuration says about paths. Return its pid."""
        file = self.folder / "device.yaml"
        file.write_text(f"credentials: front.yaml\nruntime_dir: .\nstate_dir: .\n{settings}{ice}")
        return self._start(
            host, program, "run", "--config", str(file), ready="camera online", log="front"
        )

    def probe(self, host: str, seconds: float, *options: str) -> tuple[int, dict[str, Any], str]:
        """Watch from a host; return exit code, report and what stood on standard error."""
        who = ("--credentials", f"{self.folder}/laptop.yaml")
        watch = ("probe", "front", "--seconds", str(seconds), "--json", *who, *options)
        done = subprocess.run(
            self.network.command(host, sys.executable, "-m", "mqcam_viewer.cli", *watch),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=self.environment,
            check=False,
        )
        return done.returncode, json.loads(done.stdout or "{}"), done.stderr

    def _run(self, verb: str, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, verb, *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)

    def _start(
        self, host: str, program: Sequence[str], *arguments: str, ready: str, log: str
    ) -> int:
        file = self.log_file(log)
        with file.open("wb") as output:
            process = subprocess.Popen(
                self.network.command(host, sys.executable, *program, *arguments),
                stdout=output,
                stderr=output,
                env=self.environment,
            )
        self._stack.callback(end, process)
        deadline = time.monotonic() + TIMEOUT_S
        while ready not in file.read_text("utf-8", "replace"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(file.read_text("utf-8", "replace"))
            time.sleep(POLL_S)
        return process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program in good order."""
    process.terminate()
    try:
        process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def lent(address: str, url: str) -> str:
    """Return the lines of a configuration that names one server."""
    server = url.format(address=address)
    account = f"username: {USER}, credential_file: turn-password"
    return f'ice:\n  servers: [{{urls: ["{server}"], {account}}}]\n'
