"""A stand-in for the programs that the installer calls: it notes them, and makes what they leave.

Held to the real ones by the long test of tests/repo/test_install_device_steps.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.install_device.commands import Done

if TYPE_CHECKING:
    from collections.abc import Sequence

PYTHON = "3.11"


class FakeCommands:
    """Calls nothing; ``failing`` holds words, and a command with one of them fails as told."""

    def __init__(self) -> None:
        self.called: list[str] = []
        self.failing: dict[str, str] = {}
        self.broker: list[str] = ["connected to mqtts://nas.local:8883"]
        """What the agent says of its broker, call by call, the last one for ever; "": nothing."""
        self.journal = "ERROR   no way to the broker"

    def call(self, command: Sequence[str], *, limit_s: float = 0) -> Done:
        line = " ".join(command)
        self.called.append(line)
        for word, said in self.failing.items():
            if word in line:
                return Done(code=1, said=said)
        if "dpkg-query" in line:
            return Done(code=1, said="no packages found")
        if " -m venv " in line:
            self._make_venv(Path(command[-1]))
        if " status " in line:
            return self._status()
        if command[0] == "journalctl":
            return Done(code=0, said=f"{self.journal}\n")
        return Done(code=0, said="imported\n" if " import " in line else "")

    def ran(self, word: str) -> bool:
        """Tell whether a command with this word was called."""
        return any(word in line for line in self.called)

    def _status(self) -> Done:
        said = self.broker.pop(0) if len(self.broker) > 1 else self.broker[0]
        if not said:
            return Done(code=1, said="mqcam-device: no agent runs")
        return Done(code=0, said=json.dumps({"broker": said}))

    def _make_venv(self, folder: Path) -> None:
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "bin/pip").touch()
        text = f"include-system-site-packages = true\nversion = {PYTHON}.2\n"
        (folder / "pyvenv.cfg").write_text(text)
