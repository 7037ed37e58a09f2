"""What a viewer knows of its devices: the last status of each, its nonce, and whether it is there.

It must not know sessions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mqcam.protocol.codes import Drop

if TYPE_CHECKING:
    from mqcam.protocol.messages import Status


PAST_BOOTS_MAX = 16
"""Starts of one device that are over for good; a replayed status of an earlier one is believed."""


@dataclass(slots=True, kw_only=True)
class _Device:
    status: Status | None = None
    key: str = ""
    nonce: str = ""
    gone: bool = False
    expires_at: float = math.inf
    past_boots: tuple[str, ...] = ()


class Presence:
    """Remember devices; when the table is full, further ones are not remembered."""

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
        return name if device is None or not device.key else device.key

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
        old = device.status
        if old is not None and old.boot == status.boot and status.n <= old.n:
            return Drop.OLD_STATUS if status.n < old.n else Drop.REPEATED
        if status.boot in device.past_boots:
            return Drop.OLD_STATUS
        past = device.past_boots
        if old is not None and old.boot != status.boot:
            past = (*past, old.boot)[-PAST_BOOTS_MAX:]
        self._devices[name] = _Device(
            status=status,
            key=key,
            nonce=status.nonce,
            expires_at=now + self._status_ttl_s,
            past_boots=past,
        )
        return None

    def lose(self, name: str) -> bool:
        """Note that the broker lost a device; tell whether that is news."""
        device = self._find(name)
        if device is None or device.gone:
            return False
        device.gone = True
        device.expires_at = math.inf
        return True

    def forget(self, name: str) -> None:
        """Forget a device that nobody vouches for any more."""
        self._devices.pop(name, None)

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

    def _find(self, name: str) -> _Device | None:
        if name not in self._devices and len(self._devices) >= self._devices_max:
            return None
        return self._devices.setdefault(name, _Device())
