"""A datagram that is lost while a connection begins costs moments, whichever it is.

On 127.0.0.1 a repeat is due after 50 ms; OpenSSL would wait 1 s and aioice 0.5 s. Each limit lies
between, with room for a machine that is busy.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import pytest
from support.connections import connect_both, negotiate, sides
from support.losses import LossyLine, is_check, is_check_request, is_dtls, lose_nth

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.connections import Side

CHECK_LIMIT_S = 0.4
FLIGHT_LIMIT_S = 0.8
CHANGE_CIPHER_SPEC = 20  # the first byte of a record (RFC 5246 section 6.2.1)
APPLICATION_DATA = 23
KEEP_ALL: Callable[[bytes], bool] = lambda _: False  # noqa: E731
REPORT = bytes.fromhex("80c90001") + bytes(4)  # an empty receiver report


async def connect_over(viewer: Side, camera: Side, lines: tuple[LossyLine, LossyLine]) -> float:
    """Connect over the viewer's and the camera's line; return how long it took, in seconds."""
    await negotiate(viewer.connection, camera.connection)
    for side, line in zip((viewer, camera), lines, strict=True):
        line.carry(side.connection)
    began_at = time.monotonic()
    await connect_both(viewer.connection, camera.connection)
    return time.monotonic() - began_at


def lines_losing(
    role: str, kind: Callable[[bytes], bool], *numbers: int
) -> tuple[LossyLine, LossyLine]:
    """Return the viewer's and the camera's line, of which that of ``role`` loses something."""
    lossy, whole = LossyLine(lose_nth(kind, *numbers)), LossyLine(KEEP_ALL)
    return (lossy, whole) if role == "viewer" else (whole, lossy)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("role", ["viewer", "camera"])
async def test_a_lost_flight_of_the_key_exchange_costs_moments(role: str, number: int) -> None:
    """The viewer's second is the last of all: it has finished, and yet has to repeat it."""
    lines = lines_losing(role, is_dtls, number)
    async with sides() as (viewer, camera):
        took_s = await connect_over(viewer, camera, lines)
        assert sum(line.lost for line in lines) == 1
        assert took_s < FLIGHT_LIMIT_S


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("role", ["viewer", "camera"])
async def test_a_lost_check_or_answer_costs_moments(role: str, number: int) -> None:
    lines = lines_losing(role, is_check, number)
    async with sides() as (viewer, camera):
        took_s = await connect_over(viewer, camera, lines)
        assert sum(line.lost for line in lines) == 1
        assert took_s < CHECK_LIMIT_S


async def test_checks_that_are_lost_both_ways_cost_moments() -> None:
    """No check of the peer triggers the repeat: it is due by time."""
    lines = LossyLine(lose_nth(is_check, 1)), LossyLine(lose_nth(is_check, 1))
    async with sides() as (viewer, camera):
        took_s = await connect_over(viewer, camera, lines)
        assert [line.lost for line in lines] == [1, 1]
        assert took_s < CHECK_LIMIT_S
        assert viewer.connection._ice.gatherer.ice.repeated >= 1


async def test_a_flight_and_its_repeat_may_be_lost() -> None:
    lines = lines_losing("camera", is_dtls, 1, 2)
    async with sides() as (viewer, camera):
        took_s = await connect_over(viewer, camera, lines)
        assert lines[1].lost == 2
        assert took_s < FLIGHT_LIMIT_S


async def test_nothing_is_repeated_where_nothing_is_lost_and_media_follows() -> None:
    lines = LossyLine(KEEP_ALL), LossyLine(KEEP_ALL)
    async with sides() as (viewer, camera):
        await connect_over(viewer, camera, lines)
        assert await camera.connection.media.send(REPORT)
        await asyncio.sleep(0.2)  # in which a repeat would come
        flights = [
            sum(is_dtls(each) and each[0] != APPLICATION_DATA for each in line.sent)
            for line in lines
        ]
        assert flights == [2, 2]


async def test_a_peer_that_stays_silent_gets_the_last_flight_a_few_times_only() -> None:
    lines = LossyLine(KEEP_ALL), LossyLine(KEEP_ALL)
    async with sides() as (viewer, camera):
        await connect_over(viewer, camera, lines)
        await asyncio.sleep(1.0)  # after 50, 100 and 200 ms come the last
        finished = [each for each in lines[0].sent if each[0] == CHANGE_CIPHER_SPEC]
        assert len(finished) == 4
        assert len(set(finished)) == 1


async def test_a_tenth_of_all_datagrams_may_be_lost() -> None:
    """Forty milliseconds away; without repeats of ours two of five need more than a second.

    With them one in a hundred does. The dice fall by time, so that chance has to have its room.
    """
    times_s = await asyncio.gather(*(connect_seeded(seed) for seed in range(15)))
    assert sum(took_s > 1.0 for took_s in times_s) <= 3


async def connect_seeded(seed: int) -> float:
    """Connect over a line that loses a tenth."""
    dice = random.Random(seed)  # noqa: S311 - chance, no secret
    lines = (
        LossyLine(lambda _: dice.random() < 0.1, delay_s=0.02),
        LossyLine(lambda _: dice.random() < 0.1, delay_s=0.02),
    )
    async with sides() as (viewer, camera):
        return await connect_over(viewer, camera, lines)


async def test_the_round_trip_of_the_path_is_known_to_the_key_exchange() -> None:
    lines = LossyLine(KEEP_ALL, delay_s=0.05), LossyLine(KEEP_ALL, delay_s=0.05)
    async with sides() as (viewer, camera):
        await connect_over(viewer, camera, lines)
        for side in (viewer, camera):
            assert side.connection.media.rtt_s is not None
            assert 0.09 < side.connection.media.rtt_s < 0.3


async def test_lost_checks_do_not_spoil_the_round_trip() -> None:
    """The answer belongs to the repeat, which went out 150 ms later at the earliest."""
    lines = LossyLine(lose_nth(is_check_request, 1, 2, 3)), LossyLine(KEEP_ALL)
    async with sides() as (viewer, camera):
        await connect_over(viewer, camera, lines)
        assert lines[0].lost == 3
        assert viewer.connection.media.rtt_s is not None
        assert viewer.connection.media.rtt_s < 0.1


@pytest.mark.parametrize(
    ("processor", "cipher"),
    [
        ("flags\t: fpu aes\n", b"SRTP_AEAD_AES_128_GCM"),
        ("Features\t: fp asimd\n", b"SRTP_AES128_CM_SHA1_80"),
    ],
)
async def test_the_cameras_processor_decides_which_cipher_is_used(
    processor: str, cipher: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mqcam.connection._processor", lambda: processor)
    async with sides() as (viewer, camera):
        await negotiate(viewer.connection, camera.connection)
        await connect_both(viewer.connection, camera.connection)
        for side in (viewer, camera):
            ssl = side.connection.media._ssl
            assert ssl is not None
            assert ssl.get_selected_srtp_profile() == cipher
