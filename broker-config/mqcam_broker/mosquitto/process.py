"""The mosquitto process of one broker directory: find it, run it, make it read its files again.

It must not know what the files say, except where the first listener is.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import ssl
import time
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from mqcam.errors import MissingRequirement, NotSetUp, SetupError
from mqcam.files import read_bounded

from mqcam_broker.folder.names import SERVER_NAME
from mqcam_broker.mosquitto.child import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mqcam_broker.folder.directory import BrokerDirectory

READY_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 2.0
PROBE_INTERVAL_S = 0.02
FIRST_FREE_PORT = 1024
"""Those below are root's to open."""
MOSQUITTO_PATHS = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
"""Where it is, but where the PATH of an ordinary user or a cron job does not look."""


class Reload(Enum):
    """What became of the wish that the running broker reads its files again."""

    DONE = "done"
    NOT_RUNNING = "not running"
    FORBIDDEN = "forbidden"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where the broker listens; ``bind`` None means on every address."""

    port: int
    bind: str | None = None

    @property
    def reachable_host(self) -> str:
        """Return the address at which this machine itself reaches the listener."""
        everywhere = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
        return everywhere.get(self.bind) or str(self.bind)

    def __str__(self) -> str:
        return f"{self.bind} port {self.port}" if self.bind else f"port {self.port}"


def find_mosquitto() -> str:
    """Return mosquitto's path; raise MissingRequirement with the line that installs it."""
    for candidate in ("mosquitto", *MOSQUITTO_PATHS):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise MissingRequirement(
        "mosquitto is not installed", "install it with: sudo apt install mosquitto"
    )


def first_listener(configuration: Path) -> Listener:
    """Return the first listener of a mosquitto.conf; raise NotSetUp when it has none."""
    found = listeners(configuration)
    if not found:
        raise NotSetUp(
            f"{configuration} has no line that begins with 'listener'",
            "add one, for example: listener 8883",
        )
    return found[0]


def listeners(configuration: Path) -> list[Listener]:
    """Return all listeners of a mosquitto.conf."""
    found = []
    for line in configuration.read_text("utf-8").splitlines():
        match line.split():
            case ["listener", port, *bind] if port.isdigit():
                found.append(Listener(port=int(port), bind=bind[0] if bind else None))
    return found


def running_broker(directory: BrokerDirectory) -> int | None:
    """Return the process id of the broker that runs from ``directory``, or None.

    The id in the file is believed only if that process is a mosquitto with our configuration: a
    stale file must never send a signal to whatever has got the number since. Without it all
    processes are looked at: a second mosquitto, which ends because the port is taken, removes the
    file of the first, and who was removed must not stay because of that.
    """
    try:
        written = int(read_bounded(directory.process_id).decode("ascii"))
    except (OSError, ValueError):
        written = None
    if written is not None and _is_broker(written, directory):
        return written
    # Not in the order of the folder: of two, one is only being born.
    ids = sorted(int(each.name) for each in Path("/proc").glob("[0-9]*") if each.name.isdecimal())
    return next((pid for pid in ids if _is_broker(pid, directory)), None)


def _is_broker(pid: int, directory: BrokerDirectory) -> bool:
    """Tell whether a process is a mosquitto of our user or root, with our configuration."""
    process = Path(f"/proc/{pid}")
    try:
        owner = process.stat().st_uid
        words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        if "mosquitto" not in Path(words[0]).name:
            return False
        if owner not in {0, directory.state.stat().st_uid}:
            return False
        if str(directory.configuration) in words[1:]:
            return True
        # A name without a folder is one in the folder where it was started.
        files = (os.path.realpath(process / "cwd" / word) for word in words[1:] if word)
        return str(directory.configuration) in files
    except OSError:
        return False


def reload_broker(directory: BrokerDirectory) -> Reload:
    """Make the running broker read users and rules again; it disconnects removed users itself."""
    pid = running_broker(directory)
    if pid is None:
        return Reload.ELSEWHERE if directory.is_existing else Reload.NOT_RUNNING
    try:
        os.kill(pid, signal.SIGHUP)
    except ProcessLookupError:
        return Reload.NOT_RUNNING
    except PermissionError:
        return Reload.FORBIDDEN
    return Reload.DONE


def is_ready(listener: Listener, *, anchor: Path, server_name: str = SERVER_NAME) -> bool:
    """Tell whether the listener completes a TLS handshake as our broker.

    ``anchor`` is the certificate of its authority, or its own.
    """
    context = ssl.create_default_context(cafile=str(anchor))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the broker's own is no authority
    address = (listener.reachable_host, listener.port)
    try:
        with (
            socket.create_connection(address, timeout=PROBE_TIMEOUT_S) as plain,
            context.wrap_socket(plain, server_hostname=server_name) as secured,
        ):
            # Say goodbye properly, else every start logs an error of OpenSSL.
            with contextlib.suppress(OSError):
                secured.unwrap()
            return True
    except OSError:  # ssl.SSLError is one too
        return False


def run_broker(
    directory: BrokerDirectory,
    *,
    on_ready: Callable[[Listener], None],
    on_line: Callable[[str], None],
    meanwhile: Callable[[], bool] = lambda: False,
) -> int:
    """Run mosquitto in the foreground until it ends and return the exit code for our caller.

    SIGTERM, SIGINT and SIGHUP end it; a broker that ends because of them has ended well.
    ``meanwhile`` is called every second and tells whether mosquitto has to be started anew.
    """
    program = find_mosquitto()
    directory.check_own()
    listener = first_listener(directory.configuration)
    _check_free(directory, listener)
    is_again = True
    while is_again:
        with Child(on_line=on_line) as child:
            child.start(
                [program, "-c", str(directory.configuration)], user_id=_user_to_become(directory)
            )
            if _wait_ready(child, listener, directory):
                on_ready(listener)
            code = child.wait(meanwhile)
        is_again = child.was_told_to_start_anew and not child.was_told_to_stop
    if child.was_told_to_stop or code == 0:
        return 0
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    raise SetupError(
        f"mosquitto ended by itself with {how}", "the lines above are its own and say why"
    )


def _user_to_become(directory: BrokerDirectory) -> int | None:
    """Return the broker's user where mosquitto need not be root first, else None.

    A process that changes its own user is no longer ended by the kernel when its parent is killed.
    """
    if any(each.port < FIRST_FREE_PORT for each in listeners(directory.configuration)):
        return None
    return directory.state.stat().st_uid


def _check_free(directory: BrokerDirectory, listener: Listener) -> None:
    pid = running_broker(directory)
    if pid is not None:
        raise SetupError(
            f"the broker of {directory.path} is already running as process {pid}",
            f"stop that one first (kill {pid}, or systemctl stop its unit)",
        )
    try:
        socket.create_connection((listener.reachable_host, listener.port), PROBE_TIMEOUT_S).close()
    except OSError:
        return
    raise SetupError(
        f"something else listens on {listener} already",
        f"stop it (who is it: sudo ss -ltnp 'sport = :{listener.port}'), or change the listener "
        f"line in {directory.configuration} and the addresses in {directory.decisions}",
    )


def _wait_ready(child: Child, listener: Listener, directory: BrokerDirectory) -> bool:
    anchor, server_name = directory.anchor, directory.server_name()
    for _ in _until(time.monotonic() + READY_TIMEOUT_S):
        if child.has_ended() or child.was_told_to_stop:
            return False
        if is_ready(listener, anchor=anchor, server_name=server_name):
            return True
        time.sleep(PROBE_INTERVAL_S)
    raise SetupError(
        f"mosquitto started but completed no TLS handshake on {listener} in {READY_TIMEOUT_S:g} s",
        f"see its lines above and check that server.crt and server.key belong to {anchor}",
    )


def _until(deadline: float) -> Iterator[None]:
    while time.monotonic() < deadline:
        yield
