"""The owner's topic is his word's, all else the driver's; his word leads the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.broker import BrokerAddress, BrokerSettings, BrokerState
from mqcam.ownerlink import SILENCE_S, OwnerLink
from mqcam.protocol.topics import Namespace
from mqcam.transport import Incoming
from mqcam.trust.keys import SigningKey
from mqcam.trust.obedience import OwnerWord
from mqcam.trust.ownerstate import OwnerState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OWNER = SigningKey(b"1" * 32)
TOPIC = Namespace("home").owner_state()
OLD, NEW = "mqtts://old:8883", "mqtts://new:8883"
UP, DOWN = BrokerState(connected=True), BrokerState(connected=False)


class Call:
    """A call that is due later."""

    def __init__(self, delay_s: float, work: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.work = work
        self.is_waiting = True

    def cancel(self) -> None:
        """Take it back."""
        self.is_waiting = False


class World:
    """A link whose session is only told where to go, and whose time stands still."""

    def __init__(self, folder: Path, *, owner: str | None = OWNER.public) -> None:
        self.obeyed: list[int] = []
        self.went: list[list[str]] = []
        self.calls: list[Call] = []
        self.word = OwnerWord(
            topic=TOPIC,
            owner=owner,
            path=folder / "owner_state",
            on_state=lambda state: self.obeyed.append(state.number),
        )
        self.link = OwnerLink(
            self.word,
            BrokerSettings(addresses=(BrokerAddress.parse(OLD),), username="u", password="p"),
            readdress=lambda where: self.went.append([str(each) for each in where.addresses]),
            probe=lambda _where, _tell: None,
            call_later=self._later,
        )

    def _later(self, delay_s: float, work: Callable[[], None]) -> Call:
        self.calls.append(Call(delay_s, work))
        return self.calls[-1]

    @property
    def waiting(self) -> list[Call]:
        """The calls that are due."""
        return [call for call in self.calls if call.is_waiting]

    def pass_time(self) -> None:
        """Let what is due happen, ten seconds from now."""
        for call in self.waiting:
            assert call.delay_s == SILENCE_S
            call.is_waiting = False
            call.work()

    def hear(self, state: OwnerState, now: float = 0.0) -> bool:
        """Let a state of the owner arrive."""
        return self.link.takes(Incoming(topic=TOPIC, payload=state.issue(OWNER, TOPIC)), now)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.link.close()
    made.word.close()


def test_his_word_is_obeyed_and_the_broker_looked_for_where_it_says(world: World) -> None:
    assert world.hear(OwnerState(number=3, brokers=(NEW,)))
    assert (world.obeyed, world.went) == ([3], [[NEW]])
    assert [str(each) for each in world.link.settings.addresses] == [NEW]


def test_what_is_refused_moves_nobody(world: World) -> None:
    world.hear(OwnerState(number=3))
    assert world.hear(OwnerState(number=2, brokers=(NEW,)))
    assert (world.obeyed, world.went) == ([3], [])


def test_another_topic_is_somebody_elses(world: World) -> None:
    state = OwnerState(number=3, brokers=(NEW,)).issue(OWNER, TOPIC)
    assert not world.link.takes(Incoming(topic="home/v1/d/front/status", payload=state), 0.0)
    assert world.obeyed == []


def test_the_remembered_word_counts_from_the_start(world: World, tmp_path: Path) -> None:
    world.hear(OwnerState(number=3, brokers=(NEW,)))
    world.word.close()
    later = World(tmp_path)
    assert [str(each) for each in later.link.settings.addresses] == [NEW]
    assert later.went == []


def test_only_who_has_an_owner_subscribes_to_his_topic(world: World, tmp_path: Path) -> None:
    assert [each.topic for each in world.link.subscriptions] == [TOPIC]
    assert World(tmp_path, owner=None).link.subscriptions == ()


def test_a_broker_that_gives_no_word_of_the_owner_is_told_once_until_it_does(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        world.link.note(UP)
        world.pass_time()
        world.link.note(DOWN)
    assert "withhold" in world.link.trouble
    assert [each.levelname for each in caplog.records].count("WARNING") == 1
    world.link.note(UP)
    world.hear(OwnerState(number=3))
    assert (world.link.trouble, world.waiting) == ("", [])


@pytest.mark.parametrize("number", [2, 3])
def test_the_word_that_is_known_is_enough_and_an_older_one_is_none(
    world: World, number: int
) -> None:
    world.hear(OwnerState(number=3))
    world.link.note(DOWN)
    world.hear(OwnerState(number=number), 1.0)
    world.link.note(UP)
    world.pass_time()
    assert bool(world.link.trouble) is (number == 2)


def test_who_has_no_owner_misses_no_word(tmp_path: Path) -> None:
    world = World(tmp_path, owner=None)
    world.link.note(UP)
    assert world.calls == []


def test_nobody_looks_further_after_the_end(world: World) -> None:
    world.hear(OwnerState(number=3, brokers=(NEW,)))
    world.link.close()
    world.link.note(DOWN)
    assert world.waiting == []
