from __future__ import annotations

import queue
import threading

import pytest
from av.video.frame import VideoFrame
from mqcam_device.sources.picamera.software import Lane, Slot, copy_planes

DEADLINE_S = 10.0


def unexpected(error: Exception) -> None:
    raise AssertionError from error


class Request:
    """A picture of the camera's that counts who holds it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.held = 0

    def acquire(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1


@pytest.mark.parametrize("stride", [64, 96, 128])
def test_planes_are_copied_whatever_the_length_of_a_row(stride: int) -> None:
    width, height = 48, 32
    luma = b"".join(bytes([row]) * width + b"\xff" * (stride - width) for row in range(height))
    chroma = b"".join(
        bytes([100 + row]) * (width // 2) + b"\xff" * ((stride - width) // 2)
        for row in range(height)
    )
    frame = VideoFrame(width, height, "yuv420p")
    copy_planes(memoryview(luma + chroma), stride, frame)
    for plane, first, rows in zip(frame.planes, (0, 100, 116), (32, 16, 16), strict=True):
        data, length = bytes(plane), plane.line_size
        for row in range(rows):
            expected = bytes([first + row]) * plane.width
            assert data[row * length : row * length + plane.width] == expected


def test_rows_of_one_length_are_copied_at_once() -> None:
    frame = VideoFrame(64, 32, "yuv420p")
    stride = frame.planes[0].line_size
    size = stride * 32 * 3 // 2
    copy_planes(memoryview(bytes(index % 251 for index in range(size))), stride, frame)
    assert bytes(frame.planes[0])[: stride * 32] == bytes(
        index % 251 for index in range(stride * 32)
    )


def test_the_newest_picture_wins_and_the_other_goes_back() -> None:
    slot, old, new = Slot(), Request(1), Request(2)
    assert slot.put(old) is None
    assert slot.put(new) is old
    assert slot.take() is new


def test_a_closed_slot_gives_back_what_it_gets_and_nothing_else() -> None:
    slot, left, late = Slot(), Request(1), Request(2)
    slot.put(left)
    assert slot.close() is left
    assert slot.put(late) is late
    assert slot.take() is None


def test_a_slow_lane_gets_the_newest_and_holds_no_other() -> None:
    served: list[int] = []
    begun, gate = threading.Event(), threading.Event()

    def serve(request: Request, stride: int) -> None:
        served.append(request.number)
        begun.set()
        gate.wait(DEADLINE_S)
        request.release()

    lane = Lane(serve, unexpected)
    requests = [Request(number) for number in range(5)]
    lane.open(64)
    lane.put(requests[0])
    assert begun.wait(DEADLINE_S)
    begun.clear()
    for request in requests[1:]:
        lane.put(request)
    assert [request.held for request in requests] == [1, 0, 0, 0, 1]
    gate.set()
    assert begun.wait(DEADLINE_S)
    lane.close()
    assert served == [0, 4]
    assert [request.held for request in requests] == [0] * 5


def test_a_picture_that_cannot_be_encoded_is_told_and_the_next_one_is() -> None:
    errors: queue.Queue[Exception] = queue.Queue()
    served = threading.Event()

    def serve(request: Request, stride: int) -> None:
        request.release()
        if request.number == 0:
            raise ValueError("spoilt")
        served.set()

    lane = Lane(serve, errors.put)
    lane.open(64)
    lane.put(Request(0))
    assert str(errors.get(timeout=DEADLINE_S)) == "spoilt"
    lane.put(Request(1))
    assert served.wait(DEADLINE_S)
    lane.close()


def test_closing_gives_back_what_was_not_begun() -> None:
    lane = Lane(lambda request, stride: None, unexpected)
    request = Request(0)
    lane.put(request)
    lane.close()
    assert request.held == 0
