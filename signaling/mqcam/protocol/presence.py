"""What a viewer knows of its devices: the last status of each, its nonce, and whether it is there.

It must not know sessions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mqcam.protocol.codes import Drop
from mqcam.protocol.messages import OFFLINE

if TYPE_CHECKING:
    from mqcam.protocol.messages import Status

PAST_BOOTS_MAX = 16
"""Starts of one device that are over for good; a replayed status of an earlier one is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """What a device said last since one of its starts; ``is_proven`` once it answered us."""

    status: Status
    key: str
    is_proven: bool = False


@dataclass(slots=True, kw_only=True)
class _Device:
    """``before`` is the start that ``start`` followed, until the latter has proven itself.

    Statuses carry no order of starts: one that was kept from long ago looks like a new one. Only
    the true one can read what is sealed to it.
    """

    start: _Start | None = None
    before: _Start | None = None
    nonce: str = ""
    gone: bool = False
    expires_at: float = math.inf
    past_boots: tuple[str, ...] = ()

    @property
    def status(self) -> Status | None:
        return None if self.start is None else self.start.status


class Presence:
    """Remember devices.

    When the table is full, one that never said anything makes room; else a further one is not
    remembered.
    """

    def __init__(self, *, status_ttl_s: float, devices_max: int) -> None:
        self._status_ttl_s = status_ttl_s
        self._devices_max = devices_max
        self._devices: dict[str, _Device] = {}

    @property
    def devices(self) -> dict[str, Status | None]:
        """The last status of every device that was heard of; None for one that is gone."""
        return {
            name: None if device.gone else device.status
            for name, device in self._devices.items()
            if device.gone or device.status is not None
        }

    @property
    def next_deadline(self) -> float:
        """When the next status expires; infinite if none does."""
        return min((device.expires_at for device in self._devices.values()), default=math.inf)

    def status(self, name: str) -> Status | None:
        """Return the last status of a device, or None."""
        device = self._devices.get(name)
        return None if device is None else device.status

    def nonce(self, name: str) -> str:
        """Return the newest nonce of a device; empty, which asks for one, if none is known."""
        device = self._devices.get(name)
        return "" if device is None else device.nonce

    def key(self, name: str) -> str:
        """Return the public key that signed the device's status; its name if there is none."""
        device = self._devices.get(name)
        return name if device is None or device.start is None else device.start.key

    def seal_key(self, name: str) -> str:
        """Return the key to which messages for a device are sealed; empty if it is unknown."""
        status = self.status(name)
        return "" if status is None else status.seal_key

    def is_gone(self, name: str) -> bool:
        """Tell whether the broker lost the device, or its status expired."""
        device = self._devices.get(name)
        return device is not None and device.gone

    def hear(self, name: str, status: Status, key: str, now: float) -> Drop | None:
        """Take a status; return why it is not taken, or None."""
        device = self._find(name)
        if device is None:
            return Drop.TABLE_FULL
        if status.boot in device.past_boots:
            return Drop.OLD_STATUS
        for known in (device.start, device.before):
            if known is not None and known.status.boot == status.boot:
                if status.n <= known.status.n:
                    return Drop.OLD_STATUS if status.n < known.status.n else Drop.REPEATED
                break
        self._begin(device, _Start(status=status, key=key))
        device.nonce, device.gone = status.nonce, False
        device.expires_at = now + self._status_ttl_s
        return None

    def prove(self, name: str, seal_key: str) -> None:
        """Note that a device could read what was sealed to this key: earlier starts are over."""
        device = self._devices.get(name)
        if device is None or device.start is None or device.start.status.seal_key != seal_key:
            return
        device.start = replace(device.start, is_proven=True)
        if device.before is not None:
            past = (*device.past_boots, device.before.status.boot)
            device.past_boots, device.before = past[-PAST_BOOTS_MAX:], None

    def doubt(self, name: str, seal_key: str) -> None:
        """Note that nobody answered what was sealed to this key: the start before is tried next."""
        device = self._devices.get(name)
        if device is None or device.start is None or device.before is None:
            return
        if device.start.status.seal_key == seal_key and device.before.status.state != OFFLINE:
            device.start, device.before = device.before, device.start
            device.nonce = device.start.status.nonce

    def lose(self, name: str) -> bool:
        """Note that the broker lost a device; tell whether that is news."""
        device = self._find(name)
        if device is None or device.gone:
            return False
        device.gone = True
        device.expires_at = math.inf
        return True

    def claims(self) -> list[tuple[str, str, Status]]:
        """Return device, key and status of every start to which we may offer, the latest last."""
        return [
            (name, start.key, start.status)
            for name, device in self._devices.items()
            for start in (device.before, device.start)
            if start is not None
        ]

    def forget(self, name: str, boot: str) -> None:
        """Forget a start for which nobody vouches any more, and a device that has no other."""
        device = self._devices.get(name)
        if device is None:
            return
        left = [
            start
            for start in (device.before, device.start)
            if start is not None and start.status.boot != boot
        ]
        if not left:
            del self._devices[name]
            return
        device.start, device.before = left[-1], left[0] if len(left) > 1 else None
        device.nonce = device.start.status.nonce

    def learn_nonce(self, name: str, nonce: str) -> None:
        """Keep the nonce that a device sent along with a refusal."""
        device = self._find(name)
        if device is not None:
            device.nonce = nonce

    def expire(self, now: float) -> list[str]:
        """Count devices that were silent for too long as gone; return which."""
        expired = [name for name, one in self._devices.items() if now >= one.expires_at]
        for name in expired:
            self.lose(name)
        return expired

    @staticmethod
    def _begin(device: _Device, start: _Start) -> None:
        """Let a device speak from a start: the same, the one before it, or a new one."""
        old = device.start
        if old is not None and old.status.boot == start.status.boot:
            device.start = replace(start, is_proven=old.is_proven)
            return
        # Of two starts that never proved themselves the newer is kept, beside one that did.
        is_before = device.before is not None and device.before.status.boot == start.status.boot
        if is_before or device.before is None or not device.before.is_proven:
            device.before = old
        device.start = start

    def _find(self, name: str) -> _Device | None:
        if name not in self._devices and len(self._devices) >= self._devices_max:
            # The broker may invent losses of as many as it likes: these make room first.
            unheard = next((one for one, each in self._devices.items() if not each.start), None)
            if unheard is None:
                return None
            del self._devices[unheard]
        return self._devices.setdefault(name, _Device())
