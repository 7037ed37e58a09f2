"""The turnserver process beside the broker: found, started, started again, ended with us.

It must not know what its configuration says, except where it listens.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

from mqcam.errors import MissingRequirement, SetupError

from mqcam_broker.mosquitto.child import dying_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 5.0
PROBE_INTERVAL_S: Final = 0.02
PROBE_TIMEOUT_S: Final = 1.0
LINES_KEPT: Final = 8
RESTART_S: Final = (1.0, 5.0, 30.0)
"""How long to wait after the first, the second and any further end in a row."""
STABLE_S: Final = 60.0
PATHS: Final = ("/usr/bin/turnserver", "/usr/sbin/turnserver", "/usr/local/bin/turnserver")


def find_turnserver() -> str:
    """Return turnserver's path; raise MissingRequirement with the line that installs it."""
    for candidate in ("turnserver", *PATHS):
        found = shutil.which(candidate)
        if found is not None:
            return found
    raise MissingRequirement("coturn is not installed", "install it with: sudo apt install coturn")


class Turnserver:
    """A relay that lives as long as the block; ``look`` starts it again when it ended by itself.

    ``write_configuration`` returns its file, which is made anew at each start; ``listens_at`` is
    where it accepts TCP once it is ready; ``certificate`` is read again when it was renewed;
    ``on_line`` gets what it says, ``say`` what a person should know.
    """

    def __init__(
        self,
        *,
        write_configuration: Callable[[], Path],
        listens_at: tuple[str, int],
        certificate: Path,
        user_id: int,
        on_line: Callable[[str], None],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write_configuration = write_configuration
        self._listens_at = listens_at
        self._certificate = certificate
        self._certificate_at = 0
        self._user = pwd.getpwuid(user_id) if user_id and os.geteuid() == 0 else None
        self._on_line = on_line
        self._say = say
        self._clock = clock
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._last = deque[str](maxlen=LINES_KEPT)
        self._started_at = 0.0
        self._ends = 0
        self._restart_at: float | None = None

    def __enter__(self) -> Self:
        if self._answers():
            host, port = self._listens_at
            raise SetupError(
                f"something else listens on port {port} of {host} already",
                f"stop it (who is it: sudo ss -ltnp 'sport = :{port}'; the package of coturn "
                "starts one: sudo systemctl disable --now coturn), or change turn.yaml",
            )
        self._start()
        try:
            self._wait_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._end()

    @property
    def pid(self) -> int | None:
        """Return its process id, None while it does not run."""
        is_running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process is not None and is_running else None

    def look(self) -> None:
        """Start it again if it has ended and its time has come; call this every second."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._renew(self._process)
            return
        now = self._clock()
        if self._restart_at is None:
            self._ends = 1 if now - self._started_at > STABLE_S else self._ends + 1
            wait_s = RESTART_S[min(self._ends, len(RESTART_S)) - 1]
            self._restart_at = now + wait_s
            last = self._last[-1] if self._last else "nothing"
            self._say(
                f"the relay ended by itself ({_how(self._process.returncode)}; its last line: "
                f"{last}); it is started again in {wait_s:g} s, the broker goes on meanwhile"
            )
        elif now >= self._restart_at:
            self._restart_at = None
            self._close()
            self._start()

    def _renew(self, process: subprocess.Popen[str]) -> None:
        changed_at = self._certificate.stat().st_mtime_ns
        if changed_at != self._certificate_at:
            self._certificate_at = changed_at
            process.send_signal(signal.SIGUSR2)  # running sessions go on

    def _start(self) -> None:
        user = self._user
        self._certificate_at = self._certificate.stat().st_mtime_ns
        self._started_at = self._clock()
        self._process = subprocess.Popen(  # noqa: S603 - our own program and path
            [find_turnserver(), "-c", str(self._write_configuration())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
            preexec_fn=dying_with_parent(),  # noqa: PLW1509 - one system call, no lock
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=os.getgrouplist(user.pw_name, user.pw_gid) if user else None,
        )
        self._reader = threading.Thread(target=self._read, name="relay log", daemon=True)
        self._reader.start()

    def _wait_ready(self) -> None:
        deadline = self._clock() + START_TIMEOUT_S
        while not self._answers():
            if self.pid is None or self._clock() > deadline:
                self._end()
                lines = "\n".join(self._last)
                raise SetupError("turnserver does not start", f"it says:\n{lines}")
            time.sleep(PROBE_INTERVAL_S)

    def _answers(self) -> bool:
        try:
            socket.create_connection(self._listens_at, PROBE_TIMEOUT_S).close()
        except OSError:
            return False
        return True

    def _read(self) -> None:
        stream = self._process.stdout if self._process is not None else None
        for line in stream or ():
            text = line.rstrip()
            self._last.append(text)
            self._on_line(text)

    def _end(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._close()

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.join(STOP_TIMEOUT_S)
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        self._process = self._reader = None


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
