from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam_device.capture import build

if TYPE_CHECKING:
    import pytest


def test_an_agent_that_was_updated_while_it_runs_goes_by_the_build_it_was_started_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would take the new child for one of its own."""
    started_as = build.build_name()
    monkeypatch.setattr(build, "version", lambda _name: "99.0")
    assert build.build_name() == started_as
