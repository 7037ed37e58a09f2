from __future__ import annotations

import pytest
from mqcam_viewer.desktop import theme
from mqcam_viewer.desktop.model import Tone

READABLE = 4.5

TEXTS = {
    "text": theme.TEXT,
    "muted": theme.MUTED,
    "faint": theme.FAINT,
    **{tone.value: colour for tone, colour in theme.TONE_COLOURS.items()},
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("ground", [theme.PANEL, theme.BACKGROUND, theme.TILE])
def test_every_colour_of_words_is_readable(name: str, ground: str) -> None:
    assert theme.contrast(TEXTS[name], ground) >= READABLE


@pytest.mark.parametrize("colour", [theme.TEXT, theme.MUTED, theme.WARNING])
def test_the_chosen_row_is_readable_too(colour: str) -> None:
    assert theme.contrast(colour, theme.SELECTED) >= READABLE


def test_contrast_is_that_of_wcag() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_every_tone_has_a_colour_of_its_own() -> None:
    assert set(theme.TONE_COLOURS) == set(Tone)
    assert len(set(theme.TONE_COLOURS.values())) == len(Tone)
