from __future__ import annotations

from mqcam_viewer.desktop.slot import Slot
from support.pixels import picture


def test_only_the_newest_picture_is_kept_and_the_older_are_counted() -> None:
    slot = Slot()
    old, new = picture(), picture()

    assert slot.put(old)
    assert not slot.put(new)

    assert slot.take() is new
    assert slot.take() is None
    assert slot.replaced == 1


def test_an_emptied_slot_asks_to_tell_again() -> None:
    slot = Slot()
    slot.put(picture())
    slot.take()

    assert slot.put(picture())
    assert slot.replaced == 0
