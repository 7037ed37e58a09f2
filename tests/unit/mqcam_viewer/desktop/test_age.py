from __future__ import annotations

from mqcam_viewer.desktop.age import age_s


def test_a_process_grows_older() -> None:
    first = age_s()
    second = age_s()
    assert first is not None
    assert second is not None
    assert 0 < first <= second < 24 * 3600
