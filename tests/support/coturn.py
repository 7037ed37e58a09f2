"""A coturn that a test starts and ends, on this host or on one that the test made.

It must not know who asks it. Its account is ``u`` with the password ``p``, unless it is given a
shared secret: then it believes the accounts that are made from that.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PROGRAM = "turnserver"
USER, PASSWORD = "u", "p"
START_S = 10.0
POLL_S = 0.01
READY = (b"Total General servers", b"(auth thread)")
"""Its last words before it answers; without its second part a first question stays unanswered."""


def is_available() -> bool:
    """Tell whether coturn is installed."""
    return shutil.which(PROGRAM) is not None


class Coturn:
    """One TURN and STUN server; ``command`` says how to run a program on its host."""

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        port: int,
        tls_port: int = 0,
        certificate: tuple[Path, Path] | None = None,
        command: Sequence[str] = (),
        password: str = PASSWORD,
        secret: str | None = None,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mqcam-coturn-"))
        self._log = self._folder / "log"
        self._command = tuple(command)
        # With a command it may live in a network of its own, where nobody here can knock.
        ports = () if command else (port, tls_port if certificate else 0)
        self._tcp_ports = [each for each in ports if each]
        self._address = addresses[0]
        lines = [
            f"listening-port={port}",
            *(f"listening-ip={each}\nrelay-ip={each}" for each in addresses),
            *(
                ["lt-cred-mech", f"user={USER}:{password}"]
                if secret is None
                else ["use-auth-secret", f"static-auth-secret={secret}", "stale-nonce=2"]
            ),
            "realm=test",
            "fingerprint",
            "allow-loopback-peers",
            "cli-password=none",
            "no-cli",
            "no-dtls",
            "relay-threads=1",
            "log-file=stdout",
            f"pidfile={self._folder}/pid",
            f"userdb={self._folder}/db",
        ]
        if certificate is None:
            lines.append("no-tls")
        else:
            lines += [f"tls-listening-port={tls_port}"]
            lines += [f"cert={certificate[0]}", f"pkey={certificate[1]}"]
        self._file = self._folder / "turnserver.conf"
        self._file.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it said so far."""
        return self._log.read_text(errors="replace")

    def freeze(self) -> None:
        """Let it stop answering; its sockets stay open."""
        subprocess.run(["kill", "-STOP", str(self._pid())], check=True)

    def _pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self._command, PROGRAM, "-c", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while any(words not in self._log.read_bytes() for words in READY):
            if self._process.poll() is not None or time.monotonic() > deadline:
                text = self.log
                self.__exit__(None, None, None)
                raise RuntimeError(f"coturn does not start:\n{text}")
            time.sleep(POLL_S)
        # It says nothing of its listeners for TCP, which open a moment later.
        for port in self._tcp_ports:
            self._await_listener(port, deadline)
        return self

    def _await_listener(self, port: int, deadline: float) -> None:
        while True:
            try:
                socket.create_connection((self._address, port), timeout=START_S).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    text = self.log
                    self.__exit__(None, None, None)
                    raise RuntimeError(f"coturn does not listen ({error}):\n{text}") from error
                time.sleep(POLL_S)
            else:
                return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def free_port() -> int:
    """Return a port of this host that nobody has, for UDP and for TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, socket.socket() as other:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            with contextlib.suppress(OSError):
                other.bind(("127.0.0.1", port))
                return port
