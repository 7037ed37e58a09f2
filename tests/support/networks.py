"""Broker, camera and viewer as shipped, on hosts that reach each other only as a test wants.

It must not know what is looked for. Needs root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from support.certificates import Authority
from support.coturn import PASSWORD, USER, Coturn

if TYPE_CHECKING:
    from types import TracebackType

    from support.namespaces import Apart

TIMEOUT_S = 30.0
BROKER_PORT = 8883
TURN_PORT = 3478
TLS_PORT = 5349
SMALL_VIDEO = "video: {size: 640x360, bitrate_bps: 800000}\n"


class Programs:
    """Start programs of ours on hosts; a context manager that ends them."""

    def __init__(self, network: Apart) -> None:
        self.network = network
        self._stack = ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mqcam-")))
        self.folder.chmod(0o711)
        self.environment = dict(os.environ)

    def start_broker(self, host: str, address: str) -> None:
        """Start a broker with a camera and a viewer in its books."""
        tool = ("mqcam_broker.cli", "--dir", f"{self.folder}/broker")
        self._run("init", *tool, "--address", address, "--port", str(BROKER_PORT))
        self._run("add-device", *tool, "front", "--output", f"{self.folder}/front.yaml")
        self._run("add-viewer", *tool, "laptop", "--output", f"{self.folder}/laptop.yaml")
        self._start(
            host, "mqcam_broker.cli", "run", "--dir", f"{self.folder}/broker", ready="broker ready"
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

    def start_camera(self, host: str, ice: str = "") -> None:
        """Start the agent; ``ice`` is what its configuration says about paths."""
        file = self.folder / "device.yaml"
        file.write_text(
            f"credentials: front.yaml\nruntime_dir: .\nstate_dir: .\n{SMALL_VIDEO}{ice}"
        )
        self._start(host, "mqcam_device.cli", "run", "--config", str(file), ready="camera online")

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

    def _start(self, host: str, module: str, *arguments: str, ready: str) -> None:
        process = subprocess.Popen(
            self.network.command(host, sys.executable, "-m", module, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        self._stack.callback(process.communicate, timeout=TIMEOUT_S)
        self._stack.callback(process.terminate)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if ready in line:
                return
        raise AssertionError("".join(seen))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()


def lent(address: str, url: str) -> str:
    """Return the lines of a configuration that names one server."""
    server = url.format(address=address)
    account = f"username: {USER}, credential_file: turn-password"
    return f'ice:\n  servers: [{{urls: ["{server}"], {account}}}]\n'
