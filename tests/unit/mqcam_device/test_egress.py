from __future__ import annotations

import asyncio

import pytest
from aiortc.mediastreams import MediaStreamError
from mqcam_device.egress import MAX_UNITS, UnitTrack
from mqcam_device.media import AccessUnit


def unit(seq: int) -> AccessUnit:
    """Return a unit of no meaning."""
    return AccessUnit(data=b"\0\0\1x", captured_ns=seq * 33_333_333, keyframe=False, seq=seq)


async def test_a_unit_becomes_a_packet_with_its_capture_time() -> None:
    track = UnitTrack()
    track.put(unit(3))
    packet = await track.recv()

    assert bytes(packet) == b"\0\0\1x"
    assert packet.pts == 99_999
    assert packet.time_base is not None
    assert packet.pts * packet.time_base == pytest.approx(0.1, abs=1e-4)


async def test_units_beyond_the_bound_are_refused() -> None:
    track = UnitTrack()

    assert all(track.put(unit(seq)) for seq in range(MAX_UNITS))
    assert not track.put(unit(MAX_UNITS))
    assert track.clear() == MAX_UNITS
    assert track.put(unit(0))


async def test_the_end_wakes_a_reader() -> None:
    track = UnitTrack()
    reader = asyncio.create_task(track.recv())
    await asyncio.sleep(0)
    track.end()

    with pytest.raises(MediaStreamError):
        await reader
