from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam.credentials import Credentials, write_credentials
from mqcam.trust.keys import SigningKey
from mqcam_device.asking import whom_to_ask
from mqcam_device.settings import load_settings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_service_is_asked_where_no_agent_of_this_user_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = Credentials(
        kind="device",
        name="front",
        broker=("mqtts://nas.local",),
        identity=SigningKey(b"1" * 32).secret_text(),
    )
    write_credentials(tmp_path / "c.yaml", credentials)
    (tmp_path / "device.yaml").write_text("credentials: c.yaml\n")
    own, service = tmp_path / "own", tmp_path / "service"
    for folder in (own, service):
        folder.mkdir()
    monkeypatch.setattr("mqcam_device.folders.places_to_ask", lambda _given: (own, service))
    settings = load_settings(tmp_path / "device.yaml")
    assert whom_to_ask(settings) == ("front", own)
    (service / "front.sock").touch()
    assert whom_to_ask(settings) == ("front", service)
    (tmp_path / "c.yaml").unlink()
    assert whom_to_ask(settings) == ("front", service)
