from __future__ import annotations

from typing import TYPE_CHECKING

from mqcam_viewer.desktop import fonts

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication


def test_figures_are_as_wide_as_each_other(qapp: QApplication) -> None:
    font = fonts.font(13, 600)
    assert font.pixelSize() == 13
    assert font.isFeatureSet(font.Tag("tnum"))


def test_a_family_is_found_on_any_system(qapp: QApplication) -> None:
    assert fonts.family()
