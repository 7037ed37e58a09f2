"""A broker of somebody's own that knows one account for all and no access rules, nor any owner.

It must not know what is tested. Everything here blocks for milliseconds only.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from mqcam.credentials import Credentials, write_credentials
from mqcam.trust.keys import SigningKey
from mqcam_broker.folder.passwords import password_hash
from support.mosquitto import mosquitto

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mqcam.credentials import Kind

USER = "home"
PASSWORD = "hunter2 hunter2"


class SharedBroker:
    """One plain mosquitto on a loopback port, with one account; a context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runner = asyncio.Runner()
        self._broker = mosquitto("password_file {folder}/users", anonymous=False)
        self.url = ""

    def account(self) -> Credentials:
        """Return what everybody in this house has, under the name of a device."""
        return Credentials(
            kind="device", name="any", broker=(self.url,), username=USER, password=PASSWORD
        )

    def credentials(self, kind: Kind, name: str) -> Path:
        """Write a file with the account and a new identity for which nobody vouches."""
        file = self._folder / f"{name}.{kind}.yaml"
        if not file.exists():
            identity = SigningKey.generate().secret_text()
            write_credentials(
                file, replace(self.account(), kind=kind, name=name, identity=identity)
            )
        return file

    def __enter__(self) -> Self:
        self._runner.__enter__()
        running = self._runner.run(self._broker.__aenter__())
        running.file("users", f"{USER}:{password_hash(PASSWORD)}\n")
        self._runner.run(running.start())
        self.url = running.url
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._runner.run(self._broker.__aexit__(kind, error, traceback))
        finally:
            self._runner.__exit__(kind, error, traceback)
