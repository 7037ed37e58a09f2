from __future__ import annotations

from mqcam_device.media import SourceSettings


def test_controls_that_were_set_later_stand_behind_those_from_before() -> None:
    before = (("autofocus", "manual"), ("lens_position", 1.0), ("gain", 2.0))
    after = SourceSettings(controls=before).with_controls({"autofocus": "continuous", "ev": 1.0})
    assert after.controls == (
        ("lens_position", 1.0),
        ("gain", 2.0),
        ("autofocus", "continuous"),
        ("ev", 1.0),
    )
