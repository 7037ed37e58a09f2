"""Lines as they are: too narrow for one of two viewers, or dead for a second.

Needs root: the hosts are network namespaces.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from mqcam_device.sources.marker import read_marker
from mqcam_viewer import Client
from support.namespaces import Host, is_available
from support.networks import VIEWERS, Programs
from support.star import Star
from support.watching import EVERY, FRAME_TIMEOUT_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mqcam_viewer import Frame

ROUND_TRIP_MS = 40
JOIN_S, WATCHED_S = 1.0, 4.0
PICTURES_PER_S = 30
MOST = 0.8  # of the pictures: other tests run beside
BLACK_S, BACK_S, SOON_S = 1.0, 4.0, 1.5
LONGEST_GAP_S = 0.5
ONE_BY_ONE_BPS, SHORT_QUEUE_MS = 200_000, 100

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not is_available(), reason="needs root and iproute2 for namespaces"),
]


@dataclass(slots=True)
class Seen:
    """What one viewer saw; a number is None where the picture is broken."""

    numbers: list[int | None] = field(default_factory=list)
    decoded_at: list[float] = field(default_factory=list)

    async def watch(self, credentials: Path, seconds: float) -> None:
        """Watch for a while."""
        async with (
            Client(credentials) as client,
            client.watch("front", max_waiting=EVERY) as stream,
        ):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    async for frame in stream:
                        self._see(frame)

    def _see(self, frame: Frame) -> None:
        marker = read_marker(frame.picture)
        self.numbers.append(marker.frame if marker else None)
        self.decoded_at.append(frame.decoded_at)

    def since(self, at: float) -> list[float]:
        """Return when pictures were decoded from a moment on."""
        return [each for each in self.decoded_at if each >= at]


async def pictures(*viewers: Seen) -> None:
    """Wait until each viewer has seen a picture."""
    async with asyncio.timeout(FRAME_TIMEOUT_S):
        while not all(each.numbers for each in viewers):  # noqa: ASYNC110 - another thread's loop
            await asyncio.sleep(0.02)


@pytest.fixture
def star() -> Iterator[Star]:
    """Return a camera's host and two viewers', 40 ms apart."""
    with Star(viewers=2) as made:
        made.delay(ROUND_TRIP_MS)
        yield made


@pytest.fixture
def programs(star: Star) -> Iterator[Programs[Star]]:
    """Run a broker and a camera on the camera's host."""
    with Programs(star) as made:
        made.start_broker(star.camera, star.camera_address)
        made.start_camera(star.camera)
        yield made


@pytest.fixture
def hosts(star: Star) -> Iterator[list[Host]]:
    """Return the viewers' hosts."""
    with Host(star.viewers[0]) as one, Host(star.viewers[1]) as other:
        yield [one, other]


async def test_a_viewer_whose_line_is_too_narrow_does_not_disturb_the_other(
    star: Star, programs: Programs[Star], hosts: list[Host]
) -> None:
    quick, slow = Seen(), Seen()
    watching = asyncio.gather(
        *(
            host.run(seen.watch(programs.folder / f"{account}.yaml", JOIN_S + WATCHED_S))
            for host, seen, account in zip(hosts, (quick, slow), VIEWERS, strict=True)
        )
    )
    await pictures(quick, slow)
    star.narrow_viewer(1, ONE_BY_ONE_BPS, SHORT_QUEUE_MS)
    narrowed_at = time.monotonic()
    await watching
    seen_since = quick.since(narrowed_at)

    assert star.counts()["viewer1 down"]["overflowed"] > 0
    assert None not in quick.numbers
    assert len(seen_since) >= WATCHED_S * PICTURES_PER_S * MOST
    assert max(other - one for one, other in pairwise(seen_since)) < LONGEST_GAP_S


async def test_a_line_that_was_dead_for_a_second_brings_back_a_whole_picture(
    star: Star, programs: Programs[Star], hosts: list[Host]
) -> None:
    """Nothing that came half is ever shown."""
    seen = Seen()
    watching = asyncio.ensure_future(
        hosts[0].run(seen.watch(programs.folder / "laptop.yaml", JOIN_S + BLACK_S + BACK_S))
    )
    await pictures(seen)
    await asyncio.sleep(JOIN_S / 2)
    star.black(True)
    await asyncio.sleep(BLACK_S)
    star.black(False)
    back_at = time.monotonic()
    await watching

    assert None not in seen.numbers
    assert seen.since(back_at)[0] - back_at < SOON_S
    assert len(seen.since(back_at + SOON_S)) >= (BACK_S - SOON_S) * PICTURES_PER_S / 2
