"""Where everything lies that the installer puts on a machine, and what of it is there already.

It must not change anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEVICE_UNITS: Final = ("mqcam-device.service", "mqcam-device@.service")
IMPORT_UNIT: Final = "mqcam-import.service"
RESERVED: Final = "device"
"""No instance is called so: its configuration would be that of the single agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The places of one agent; with ``instance`` of one of several on this machine."""

    root: Path = Path("/")
    instance: str | None = None

    @property
    def program(self) -> Path:
        """The virtual environment, as the units name it."""
        return self.root / "opt/mqcam"

    @property
    def command(self) -> Path:
        """The installed ``mqcam-device``."""
        return self.program / "bin/mqcam-device"

    @property
    def link(self) -> Path:
        """The command where a shell finds it."""
        return self.root / "usr/local/bin/mqcam-device"

    @property
    def etc(self) -> Path:
        """The folder of configurations and credentials."""
        return self.root / "etc/mqcam"

    @property
    def state(self) -> Path:
        """What agents keep over a restart."""
        return self.root / "var/lib/mqcam"

    @property
    def units(self) -> Path:
        """Where units of systemd are put by hand."""
        return self.root / "etc/systemd/system"

    @property
    def log(self) -> Path:
        """What the programs say that are called from here."""
        return self.root / "var/log/mqcam-install.log"

    @property
    def config(self) -> Path:
        """The configuration of this agent."""
        return self.etc / f"{self.instance or RESERVED}.yaml"

    @property
    def credentials(self) -> Path:
        """The credentials of this agent."""
        prefix = f"{self.instance}." if self.instance else ""
        return self.etc / f"{prefix}credentials.yaml"

    @property
    def unit(self) -> str:
        """The unit that runs this agent."""
        return f"mqcam-device@{self.instance}.service" if self.instance else DEVICE_UNITS[0]

    @property
    def has_broker(self) -> bool:
        """Whether the owner's broker runs from the same program here (docs/broker.md)."""
        return (self.units / "mqcam-broker.service").exists()

    def venv_python(self) -> str | None:
        """Return the Python for which the environment was made, ``3.11``; None if it is no use."""
        try:
            text = (self.program / "pyvenv.cfg").read_text()
        except OSError:
            return None
        if "include-system-site-packages = true" not in text:
            return None
        if not (self.program / "bin/pip").exists():  # made halfway
            return None
        found = re.search(r"^version\s*=\s*(\d+\.\d+)", text, re.MULTILINE)
        return found[1] if found else None

    def resident(self) -> str | None:
        """Return whose credentials lie here already; None if nobody's, or unreadable ones."""
        try:
            text = self.credentials.read_text()
        except (OSError, UnicodeDecodeError):
            return None
        found = re.search(r"^name:\s*['\"]?([A-Za-z0-9_-]+)", text, re.MULTILINE)
        return found[1] if found else None

    def traces(self) -> list[Path]:
        """Return every file that makes this machine a certain camera: credentials and state."""
        found = [*self.etc.glob("*credentials.yaml"), *self.state.glob("*")]
        return sorted(found)
