"""A real mosquitto with the shipped files, set up by ``mqcam-broker`` itself, for any test.

It must not know what is said over it. Use it as a context manager, or call ``start`` and
``close``; everything here blocks for milliseconds only.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Self

from mqcam.credentials import Credentials, load_credentials
from mqcam_broker.cli import main
from mqcam_broker.folder.directory import BrokerDirectory
from mqcam_broker.folder.names import OWNER
from mqcam_broker.mosquitto.process import Listener, find_mosquitto, is_ready
from mqcam_broker.owner.decree import read_state, revoke

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from mqcam.credentials import Kind

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0
COMMAND_TIMEOUT_S = 30.0
POLL_S = 0.01
LOG_IN_TIMEOUT_S = 2.0
SUCCESS = 0


class ShippedBroker:
    """One broker on a loopback port of its own, with a directory that every user may enter."""

    def __init__(
        self,
        *,
        port: int | None = None,
        ws_port: int | None = None,
        namespace: str = "mqcam",
        options: Sequence[str] = (),
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="mqcam-broker-"))
        self.root.chmod(0o755)  # as root, mosquitto becomes a user who must get in
        self.port = port if port is not None else free_port()
        self.namespace = namespace
        self.directory = BrokerDirectory(self.root / "broker")
        self.log_file = self.root / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        where = ["--bind", "127.0.0.1", "--port", str(self.port), "--namespace", namespace]
        if ws_port is not None:
            where += ["--ws-port", str(ws_port)]
        where += options
        try:
            self.command("init", *where)
        except BaseException:
            shutil.rmtree(self.root)
            raise

    @property
    def url(self) -> str:
        """Return the address that stands in the credentials."""
        return f"mqtts://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Return the process id of the running mosquitto."""
        return None if self._process is None else self._process.pid

    @property
    def log(self) -> str:
        """Return what mosquitto has said so far, over all of its starts."""
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""

    def command(self, name: str, *arguments: str) -> str:
        """Run ``mqcam-broker NAME --dir ... ARGUMENTS`` in this process and return its output."""
        output, errors = io.StringIO(), io.StringIO()
        words = [name, "--dir", str(self.directory.path), *arguments]
        with (
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
            # A command that speaks to the broker has a loop of its own; the test may have one too.
            ThreadPoolExecutor(1, "mqcam-broker") as pool,
        ):
            code = pool.submit(main, words).result(COMMAND_TIMEOUT_S)
        if code != 0:
            raise RuntimeError(f"mqcam-broker {name}: exit code {code}: {errors.getvalue()}")
        return output.getvalue()

    def credentials(self, kind: Kind, name: str) -> Path:
        """Return the credentials file of a device or viewer, who is let in at the first call."""
        file = self.root / f"{name}.{kind}.yaml"
        if not file.exists():
            self.command(f"add-{kind}", name, "--output", str(file))
            if self._process is not None:
                self._wait_for_log_in(load_credentials(file))
        return file

    def owner(self) -> Credentials:
        """Return the account that alone may write the owner's state."""
        return Credentials(
            kind="viewer",
            name=OWNER,
            namespace=self.namespace,
            broker=(self.url,),
            ca=self.directory.read_authority(),
            username=OWNER,
            password=self.directory.read_owner_password(),
        )

    def remove(self, name: str) -> None:
        """Shut a device or viewer out."""
        self.command("remove", name)

    def declare_revoked(self, name: str) -> None:
        """Publish the owner's word that somebody is revoked; the broker goes on to let him in."""
        with self.directory.locked():
            serial = self.directory.read_members().by_name[name].serial
            revoke(self.directory, self.directory.read_owner_key(None), serial)
        self.command("publish")

    def replace(self, camera: str) -> None:
        """Give a device a new identity in place of its old one, in the same file."""
        file = self.credentials("device", camera)
        file.unlink()
        self.command("add-device", camera, "--replace", "--output", str(file))

    def start(self) -> Self:
        """Start mosquitto, again on the same port after a stop, and wait until it accepts."""
        if self._process is not None:
            raise RuntimeError("the broker runs already")
        command = [find_mosquitto(), "-c", str(self.directory.configuration)]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        listener = Listener(port=self.port, bind="127.0.0.1")
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_ready(listener, anchor=self.directory.anchor):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"mosquitto does not start:\n{self.log}")
            time.sleep(POLL_S)
        if read_state(self.directory).revoked:
            self.command("publish")  # as 'run' does; most tests need no state and are quicker
        return self

    def stop(self) -> None:
        """End mosquitto in good order: it publishes wills and saves what is retained."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End mosquitto as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop mosquitto's clock: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen mosquitto go on."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End mosquitto and remove all files."""
        self.kill()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the broker does not run")
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(number)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_for_log_in(self, credentials: Credentials) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while log_in(credentials) != SUCCESS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{credentials.name} cannot log in:\n{self.log}")
            time.sleep(POLL_S)


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def log_in(credentials: Credentials) -> int | None:
    """Connect as MQTT 5 does, hang up, and return the reason code; None without an answer.

    Written out here so that what the tests believe depends on no MQTT library.
    """
    settings = credentials.broker_settings()
    address = settings.addresses[0]
    context = ssl.create_default_context(cadata=settings.ca_pem)
    fields = (settings.username or "", settings.password or "")
    texts = b"".join(_text(text) for text in (f"{settings.username}-log-in", *fields))
    body = _text("MQTT") + b"\x05\xc2\x00\x0a\x00" + texts
    with (
        socket.create_connection((address.host, address.port), timeout=LOG_IN_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=settings.server_name) as secured,
    ):
        secured.sendall(b"\x10" + _variable_length(len(body)) + body)
        try:
            answer = secured.recv(4)
        except OSError:
            return None
        if answer[:1] == b"\x20":
            with contextlib.suppress(OSError):
                secured.sendall(b"\xe0\x00")
                secured.unwrap()
        return answer[3] if len(answer) > 3 else None


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("!H", len(data)) + data


def _variable_length(value: int) -> bytes:
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80, high]) if high else bytes([low])
