"""What integration tests share: a fake camera for programs that speak to the real picamera2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.picamera import PICAMERA2, FakeCamera

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def fake_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCamera:
    """Build one imx708 on a board without codec; programs that a test starts see it."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    made = FakeCamera(tmp_path / "camera")
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made
