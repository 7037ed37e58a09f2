"""Whether the camera came online, and why not.

It must not install anything: it asks the agent, and reads the journal where the agent says nothing.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from .commands import Commands
    from .site import Site

PATIENCE_S: Final = 90
"""The first start loads everything from a slow card: a Pi Zero 2 W may need half a minute."""
PAUSE_S: Final = 1
ASKING_LIMIT_S: Final = 20
ONLINE: Final = "connected to "


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Waits for one agent."""

    site: Site
    commands: Commands
    now: Callable[[], float] = time.monotonic
    wait: Callable[[float], None] = time.sleep

    def wait_until_online(self) -> str:
        """Return at which broker the camera is; raise Refused with the reason after 90 seconds."""
        until = self.now() + PATIENCE_S
        while not (said := self._broker()).startswith(ONLINE):
            if self.now() >= until:
                reason = said or self._last_words()
                raise Refused(
                    f"installed and started, but not online after {PATIENCE_S} s: {reason} (it "
                    f"goes on trying; look on with: journalctl -fu {self.site.unit})"
                )
            self.wait(PAUSE_S)
        return said.removeprefix(ONLINE)

    def _broker(self) -> str:
        """Return what the agent says of its broker, nothing if it does not answer."""
        command = [str(self.site.command), "status", "--json", "--config", str(self.site.config)]
        done = self.commands.call(command, limit_s=ASKING_LIMIT_S)
        try:
            return str(json.loads(done.said)["broker"]) if done.code == 0 else ""
        except (ValueError, TypeError, KeyError):
            return ""

    def _last_words(self) -> str:
        command = ["journalctl", "-o", "cat", "-n", "1", f"_SYSTEMD_UNIT={self.site.unit}"]
        done = self.commands.call(command, limit_s=ASKING_LIMIT_S)
        lines = done.said.strip().splitlines() if done.code == 0 else []
        return lines[-1].strip() if lines else "it says nothing"
