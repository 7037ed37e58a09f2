"""A keyring that forgets everything at the end, built on the library's own base class.

It behaves as the keyrings of desktops do; the tests of `mqcam.trust.keystore` hold it to what our
code relies on. A locked one waits for somebody who never comes.
"""

from __future__ import annotations

import threading

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

RELEASE_S = 5.0


class MemoryKeyring(KeyringBackend):
    """Keeps secrets in a dictionary."""

    priority = 5  # the library computes it

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("no such entry")


class LockedKeyring(MemoryKeyring):
    """Refuses, as one whose dialog was closed."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("hunter2 is not the password")


class HangingKeyring(MemoryKeyring):
    """Waits for a dialog that nobody sees, until ``release``."""

    def __init__(self) -> None:
        super().__init__()
        self._released = threading.Event()

    def release(self) -> None:
        """Let whoever waits go on."""
        self._released.set()

    def get_password(self, service: str, username: str) -> str | None:
        self._released.wait(RELEASE_S)
        return super().get_password(service, username)
