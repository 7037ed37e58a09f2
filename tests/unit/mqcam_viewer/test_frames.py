from __future__ import annotations

import asyncio

import av
import pytest
from mqcam.errors import StreamEnded
from mqcam_viewer.frames import Frame, FrameQueue


def frame(number: int, *, captured_at: float | None = None, rotation: int = 0) -> Frame:
    """Return a small picture."""
    return Frame(
        picture=av.VideoFrame(32, 16, "yuv420p"),
        rtp_timestamp=number,
        decoded_at=10.0,
        captured_at=captured_at,
        rotation=rotation,
    )


def test_latency_is_from_capture_to_decoded() -> None:
    assert frame(1, captured_at=9.75).latency_ms == pytest.approx(250.0)


def test_latency_is_unknown_until_clocks_were_compared() -> None:
    assert frame(1).latency_ms is None


def test_a_frame_has_the_size_of_its_picture() -> None:
    assert (frame(1).width, frame(1).height) == (32, 16)


@pytest.mark.parametrize(
    ("rotation", "size"), [(0, (32, 16)), (90, (16, 32)), (180, (32, 16)), (270, (16, 32))]
)
def test_the_size_of_a_frame_is_that_of_its_upright_picture(
    rotation: int, size: tuple[int, int]
) -> None:
    turned = frame(1, rotation=rotation)
    assert (turned.width, turned.height) == size


async def test_frames_come_out_in_order() -> None:
    queue = FrameQueue()
    queue.put(frame(1))
    queue.put(frame(2))

    assert [(await queue.get()).rtp_timestamp for _ in range(2)] == [1, 2]
    assert queue.dropped == 0


async def test_a_slow_reader_gets_the_newest_frames() -> None:
    queue = FrameQueue(bound=2)
    for number in range(5):
        queue.put(frame(number))

    assert [(await queue.get()).rtp_timestamp for _ in range(2)] == [3, 4]
    assert queue.dropped == 3


async def test_a_reader_that_waits_is_woken() -> None:
    queue = FrameQueue()
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(frame(7))

    async with asyncio.timeout(1):
        assert (await reader).rtp_timestamp == 7


async def test_what_waits_is_read_before_the_end() -> None:
    queue = FrameQueue()
    queue.put(frame(1))
    queue.end(StreamEnded("unauthorized", "not allowed"))

    assert (await queue.get()).rtp_timestamp == 1
    with pytest.raises(StreamEnded):
        await queue.get()


async def test_a_plain_end_ends_the_iteration() -> None:
    queue = FrameQueue()
    queue.end()
    queue.put(frame(1))

    with pytest.raises(StopAsyncIteration):
        await queue.get()


async def test_the_first_end_counts() -> None:
    queue = FrameQueue()
    queue.end()
    queue.end(StreamEnded("late", "too late"))

    with pytest.raises(StopAsyncIteration):
        await queue.get()
