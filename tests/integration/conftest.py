"""What integration tests share: a broker with an agent, a fake camera for the real picamera2."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from support.agent import SMALL, RunningAgent, has_pictures
from support.broker import ShippedBroker
from support.picamera import PICAMERA2, FakeCamera

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def broker() -> Iterator[ShippedBroker]:
    """Run a broker with the shipped files."""
    with ShippedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def camera(broker: ShippedBroker) -> Iterator[RunningAgent]:
    """Run a camera agent that plays the test pattern."""
    with RunningAgent(broker, settings=SMALL) as running:
        asyncio.run(running.until(has_pictures))
        yield running


@pytest.fixture
def fake_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCamera:
    """Build one imx708 on a board without codec; programs that a test starts see it."""
    if not PICAMERA2.is_dir():
        pytest.skip("needs picamera2: make test installs it")
    made = FakeCamera(tmp_path / "camera")
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made
