"""What kind of machine this is, and whether it can be a camera.

It must not change anything, nor know what will be installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .refusal import Refused

FREE_BYTES: Final = 600_000_000
"""Twice what the program and its libraries take: pip unpacks beside what it downloads."""
OLDEST_PYTHON: Final = (3, 11)

_NOT_ROOT: Final = (
    "this makes a user and a service, which only root may: sudo ./install-device CREDENTIALS"
)
_NOT_DEBIAN: Final = (
    "this is {system}, and only Debian, Ubuntu and Raspberry Pi OS are known here: "
    "docs/raspberry-pi.md says how to install by hand"
)
_NOT_64_BIT: Final = (
    "a 64-bit system is needed, and this one is 32-bit: the video libraries are not built for "
    "those. Raspberry Pi OS (64-bit) runs on every Pi from the Zero 2 W and the 3 on"
)
_OLD_PYTHON: Final = (
    "Python 3.11 or newer is needed, and this is {python}: Raspberry Pi OS and Debian 12 "
    "(Bookworm) and later have it"
)
_NO_SYSTEMD: Final = (
    "systemd does not run here, and it is what starts the camera: in a container or without it "
    "run 'mqcam-device run' by hand (docs/device.md)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Facts about this machine."""

    user_id: int
    system: str
    is_debian: bool
    is_64_bit: bool
    python: tuple[int, int]
    runs_systemd: bool
    model: str | None
    """What the firmware calls the board; None where it says nothing, as on a PC."""
    has_pi_packages: bool
    """Whether apt here knows Raspberry Pi's own packages, as in Raspberry Pi OS."""
    free_bytes: int

    @property
    def is_pi(self) -> bool:
        """Whether Raspberry Pi's camera libraries belong here."""
        return self.model is not None and self.model.startswith("Raspberry Pi")

    def refuse_unfit(self, *, is_elsewhere: bool) -> None:
        """Raise Refused where this machine cannot be a camera; ``is_elsewhere``: below --root."""
        if self.user_id != 0 and not is_elsewhere:
            raise Refused(_NOT_ROOT)
        if not self.is_debian:
            raise Refused(_NOT_DEBIAN.format(system=self.system))
        if not self.is_64_bit:
            raise Refused(_NOT_64_BIT)
        if self.python < OLDEST_PYTHON:
            raise Refused(_OLD_PYTHON.format(python=".".join(map(str, self.python))))
        if not self.runs_systemd and not is_elsewhere:
            raise Refused(_NO_SYSTEMD)
        if self.free_bytes < FREE_BYTES:
            raise Refused(
                f"{FREE_BYTES // 1_000_000} MB of free space are needed, and there are "
                f"{self.free_bytes // 1_000_000}: make room first"
            )


def look(root: Path) -> Machine:
    """Return the facts about this machine; ``root`` is where things will be put."""
    release = _release()
    return Machine(
        user_id=os.geteuid(),
        system=release.get("PRETTY_NAME", "an unknown system"),
        is_debian=_is_debian(release),
        is_64_bit=sys.maxsize
        > 2**32,  # of the programs: the kernel may be 64-bit under 32-bit ones
        python=sys.version_info[:2],
        runs_systemd=Path("/run/systemd/system").is_dir(),
        model=_model(),
        has_pi_packages=_has_pi_packages(),
        free_bytes=shutil.disk_usage(_nearest(root)).free,
    )


def _release() -> dict[str, str]:
    try:
        return platform.freedesktop_os_release()
    except OSError:
        return {}


def _is_debian(release: dict[str, str]) -> bool:
    names = {release.get("ID", ""), *release.get("ID_LIKE", "").split()}
    return "debian" in names and shutil.which("apt-get") is not None


def _model() -> str | None:
    try:
        text = Path("/proc/device-tree/model").read_bytes()
    except OSError:
        return None
    return text.decode("utf-8", "replace").strip("\0 \n") or None


def _has_pi_packages() -> bool:
    if Path("/etc/rpi-issue").exists():
        return True
    listed = (path for path in Path("/etc/apt").glob("sources.list*/**/*") if path.is_file())
    for path in (Path("/etc/apt/sources.list"), *listed):
        try:
            if "raspberrypi" in path.read_text(errors="replace"):
                return True
        except OSError:
            continue
    return False


def _nearest(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
