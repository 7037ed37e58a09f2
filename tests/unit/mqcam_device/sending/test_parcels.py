from __future__ import annotations

from mqcam_device.sending.layout import make_layout
from mqcam_device.sending.parcels import KEEP_NS, Parcels
from support.sending import FRAME_NS, unit, video


def test_a_unit_is_cut_once_for_all() -> None:
    parcels = Parcels(epoch=0)
    one = unit(1)

    assert parcels.parcel(one) is parcels.parcel(one)
    assert parcels.parcel(unit(1, layer="low")) is not parcels.parcel(one)


def test_viewers_with_one_layout_share_the_packets() -> None:
    parcel = Parcels(epoch=0).parcel(unit(1))
    layout = make_layout(video(), tag_bytes=16)

    assert parcel.laid_out(layout, 5) is parcel.laid_out(make_layout(video(), tag_bytes=16), 9)
    assert parcel.laid_out(layout, 5) is not parcel.laid_out(make_layout(video(), tag_bytes=10), 5)


def test_viewers_of_a_camera_that_hangs_askew_share_the_packets() -> None:
    parcel = Parcels(epoch=0).parcel(unit(1))
    first, second = (make_layout(video(), tag_bytes=16, rotation=90) for _ in range(2))

    assert parcel.laid_out(first, 5) is parcel.laid_out(second, 9)
    assert parcel.laid_out(first, 5) is not parcel.laid_out(make_layout(video(), tag_bytes=16), 5)


def test_timestamps_follow_the_capture_clock_and_wrap() -> None:
    parcels = Parcels(epoch=2**32 - 90_000)
    stamps = [parcels.parcel(unit(seq)).timestamp for seq in (0, 30, 60)]

    assert stamps == [2**32 - 90_000, 2**32 - 1, 89_999]


def test_what_is_old_is_forgotten() -> None:
    parcels = Parcels(epoch=0)
    first = parcels.parcel(unit(0))
    assert parcels.recall(first.number) is first
    for seq in range(1, KEEP_NS // FRAME_NS + 3):
        parcels.parcel(unit(seq))

    assert parcels.recall(first.number) is None


def test_what_is_kept_is_bounded_in_bytes_whatever_the_rate() -> None:
    parcels = Parcels(epoch=0, keep_bytes=100_000)
    made = [parcels.parcel(unit(seq, size=9000)) for seq in range(200)]

    kept = [parcel for parcel in made if parcels.recall(parcel.number)]
    assert 0 < sum(parcel.size_bytes for parcel in kept) <= 100_000


def test_packets_are_laid_out_for_the_newest_picture_only() -> None:
    """Repeats need payloads: the rest would be kept for nothing."""
    parcels = Parcels(epoch=0)
    old = parcels.parcel(unit(1))
    old.laid_out(make_layout(video(), tag_bytes=16), 0)
    parcels.parcel(unit(2, layer="low"))
    assert old.runs
    parcels.parcel(unit(2))

    assert not old.runs
