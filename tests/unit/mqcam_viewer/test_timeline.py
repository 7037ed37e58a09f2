"""When recorded pictures were taken, over sessions that count time differently."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from mqcam.depacketiser import VideoUnit
from mqcam_viewer.timeline import BELIEVABLE_TICKS, RATE_HZ, Timeline
from mqcam_viewer.units import ReceivedUnit

SECOND_NS = 1_000_000_000


def received(
    ticks: int, *, arrived_at: float, session: int = 1, camera_s: float | None = None
) -> ReceivedUnit:
    return ReceivedUnit(
        unit=VideoUnit(
            data=b"", rtp_timestamp=0, ticks=ticks, keyframe=False, arrived_at=arrived_at
        ),
        session=session,
        camera_ns=None if camera_s is None else round(camera_s * SECOND_NS),
    )


def test_within_a_session_timestamps_alone_count() -> None:
    timeline = Timeline()
    placed = [
        timeline.place(received(5000 + number * 3000, arrived_at=number * 7.0))
        for number in range(4)
    ]

    assert placed == [0, 3000, 6000, 9000]


def test_between_sessions_the_cameras_clock_counts() -> None:
    """A replayed picture arrives late: its own time is believed, not that of its arrival."""
    timeline = Timeline()
    timeline.place(received(0, arrived_at=10.0, camera_s=1000.0))
    placed = timeline.place(received(77, arrived_at=12.0, session=2, camera_s=1001.5))

    assert placed == 1.5 * RATE_HZ


def test_a_clock_that_comes_later_corrects_what_follows() -> None:
    timeline = Timeline()
    timeline.place(received(0, arrived_at=10.0, camera_s=1000.0))
    first = timeline.place(received(0, arrived_at=12.0, session=2))
    second = timeline.place(received(3000, arrived_at=12.03, session=2, camera_s=1001.533333))

    assert first == 2 * RATE_HZ
    assert second == first + 90  # true time is earlier than what is in the file already
    third = timeline.place(received(90_000, arrived_at=13.0, session=2))
    assert abs(third - 2.5 * RATE_HZ) <= 1


def test_a_camera_whose_clock_was_set_is_not_believed() -> None:
    timeline = Timeline()
    timeline.place(received(0, arrived_at=10.0, camera_s=0.0))
    placed = timeline.place(received(0, arrived_at=12.0, session=2, camera_s=1.7e9))

    assert placed == 2 * RATE_HZ
    assert placed < BELIEVABLE_TICKS


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.integers(-(2**33), 2**33),
            st.floats(0, 1e6),
            st.none() | st.floats(-1e9, 1e9),
        ),
        max_size=40,
    )
)
def test_time_only_grows(rows: list[tuple[int, int, float, float | None]]) -> None:
    timeline = Timeline()
    placed = [
        timeline.place(received(ticks, arrived_at=at, session=session, camera_s=camera))
        for session, ticks, at, camera in rows
    ]

    assert all(before < after for before, after in pairwise(placed))
