from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.broker import BrokerAddress, BrokerSettings, BrokerState
from mqcam.errors import BrokerRefused
from mqcam.trust.ownerstate import OwnerState
from mqcam.whereabouts import Whereabouts
from support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OLD, NEW, NEWER = "mqtts://old:8883", "mqtts://new:8883", "mqtts://newer:8883"
PINNED, BUNDLE = Authority("pinned").pem, Authority("bundle").pem
MOVED = OwnerState(number=1, brokers=(NEW,), ca=BUNDLE)
UP, DOWN = BrokerState(connected=True), BrokerState(connected=False)


class Call:
    """A call that is due later."""

    def __init__(self, work: Callable[[], None]) -> None:
        self.work: Callable[[], None] | None = work

    def cancel(self) -> None:
        """Take it back."""
        self.work = None


class World:
    """A session that is only told where to go, and a minute that passes when it is told to."""

    def __init__(
        self,
        remembered: OwnerState | None = None,
        *,
        ca: str | None = PINNED,
        kept: Path | None = None,
        is_hasty: bool = False,
    ) -> None:
        self.went: list[BrokerSettings] = []
        self.calls: list[Call] = []
        given = BrokerSettings(
            addresses=(BrokerAddress.parse(OLD),), username="u", password="p", ca_pem=ca
        )
        self.whereabouts = Whereabouts(
            given,
            remembered=remembered or OwnerState(),
            readdress=self.went.append,
            call_later=self._later,
            kept=kept,
            is_hasty=is_hasty,
        )

    def _later(self, delay_s: float, work: Callable[[], None]) -> Call:
        assert delay_s == 60
        self.calls.append(Call(work))
        return self.calls[-1]

    @property
    def waiting(self) -> list[Call]:
        """The calls that are due."""
        return [call for call in self.calls if call.work is not None]

    def pass_a_minute(self) -> None:
        """Let what is due happen."""
        (call,) = self.waiting
        work, call.work = call.work, None
        assert work is not None
        work()

    @property
    def places(self) -> list[tuple[list[str], str | None]]:
        """Where the session was sent, in order."""
        return [([str(one) for one in each.addresses], each.ca_pem) for each in self.went]


def test_nobody_moves_without_the_owners_word() -> None:
    world = World()
    for state in (DOWN, UP, DOWN, DOWN):
        world.whereabouts.note(state)
    world.whereabouts.obey(OwnerState(number=3, revoked=("abcdefgh",)))
    assert (world.went, world.waiting) == ([], [])


def test_a_move_leads_to_the_new_place_at_once_with_its_authority_and_the_same_account() -> None:
    world = World()
    world.whereabouts.note(UP)
    world.whereabouts.obey(MOVED)
    assert world.places == [([NEW], BUNDLE)]
    assert (world.went[0].username, world.went[0].password) == ("u", "p")
    world.whereabouts.note(DOWN)
    world.whereabouts.note(UP)
    assert world.waiting == []


def test_after_a_minute_without_a_connection_the_old_place_is_tried_and_then_turn_about() -> None:
    world = World()
    world.whereabouts.note(UP)
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(DOWN)
    for _ in range(3):
        world.pass_a_minute()
    assert [places for places, _ in world.places] == [[NEW], [OLD], [NEW], [OLD]]


def test_the_old_place_may_have_a_certificate_of_either_authority() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.pass_a_minute()
    assert world.places[-1] == ([OLD], PINNED + BUNDLE)


def test_whoever_went_back_stays_until_the_next_loss() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.pass_a_minute()
    world.whereabouts.note(UP)
    assert world.waiting == []
    world.whereabouts.note(DOWN)
    assert [places for places, _ in world.places] == [[NEW], [OLD], [NEW]]
    assert len(world.waiting) == 1


def test_a_loss_of_the_new_place_gives_it_a_minute_to_come_back() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    world.whereabouts.note(DOWN)
    world.whereabouts.note(DOWN)
    assert len(world.went) == len(world.waiting) == 1


REFUSED = BrokerState(connected=False, error=BrokerRefused("no"))


def test_who_is_in_a_hurry_tries_the_old_place_as_soon_as_the_new_one_refuses_and_only_once() -> (
    None
):
    world = World(MOVED, is_hasty=True)
    world.whereabouts.note(REFUSED)
    world.whereabouts.note(REFUSED)
    assert [places for places, _ in world.places] == [[OLD]]
    world.pass_a_minute()
    assert [places for places, _ in world.places] == [[OLD], [NEW]]


def test_who_is_in_no_hurry_gives_a_place_that_refuses_its_minute() -> None:
    world = World(MOVED)
    world.whereabouts.note(REFUSED)
    assert (world.went, len(world.waiting)) == ([], 1)


def test_after_a_restart_the_new_place_is_first() -> None:
    world = World(MOVED)
    assert [str(each) for each in world.whereabouts.settings.addresses] == [NEW]
    world.whereabouts.note(DOWN)
    world.pass_a_minute()
    assert world.places == [([OLD], PINNED + BUNDLE)]


def test_the_same_word_again_moves_nobody() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    world.whereabouts.obey(OwnerState(number=2, brokers=(NEW,), ca=BUNDLE, revoked=("a" * 8,)))
    assert len(world.went) == 1


def test_a_new_authority_alone_keeps_the_addresses() -> None:
    world = World()
    world.whereabouts.obey(OwnerState(number=1, ca=BUNDLE))
    assert world.places == [([OLD], BUNDLE)]


def test_a_word_that_takes_the_move_back_leads_back() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.obey(OwnerState(number=2))
    assert world.places[-1][0] == [OLD]
    assert world.waiting == []


def test_after_a_second_move_the_first_is_where_to_return_to() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    world.whereabouts.obey(OwnerState(number=2, brokers=(NEWER,)))
    world.whereabouts.note(DOWN)
    world.pass_a_minute()
    assert [places for places, _ in world.places] == [[NEW], [NEWER], [NEW, OLD]]


def test_the_last_place_that_worked_is_known_after_a_restart(tmp_path: Path) -> None:
    kept = tmp_path / "front.broker"
    world = World(kept=kept)
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    assert kept.stat().st_mode & 0o777 == 0o600
    later = World(OwnerState(number=2, brokers=(NEWER,)), kept=kept)
    later.whereabouts.note(DOWN)
    later.pass_a_minute()
    assert later.places == [([NEW, OLD], PINNED + BUNDLE)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"brokers": 7}', b"\xff"])
def test_a_damaged_memory_costs_only_itself(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "front.broker"
    kept.write_bytes(content)
    assert [str(each) for each in World(kept=kept).whereabouts.settings.addresses] == [OLD]


def test_a_memory_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    world = World(kept=tmp_path / "gone" / "front.broker")
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    assert len(world.went) == 1


def test_an_address_that_is_none_is_left_out() -> None:
    world = World()
    world.whereabouts.obey(OwnerState(number=1, brokers=("http://x", NEW)))
    assert world.places == [([NEW], PINNED)]


def test_a_word_with_no_usable_address_moves_nobody() -> None:
    world = World()
    world.whereabouts.obey(OwnerState(number=1, brokers=("http://x",)))
    assert world.went == []


@pytest.mark.parametrize("damage", ["x", BUNDLE[:200], BUNDLE.replace("MII", "MIJ")])
def test_an_authority_that_is_none_is_left_out(damage: str) -> None:
    world = World()
    world.whereabouts.obey(OwnerState(number=1, brokers=(NEW,), ca=damage))
    assert world.places == [([NEW], PINNED)]


def test_the_systems_authorities_stay_trusted_where_none_is_pinned() -> None:
    world = World(ca=None)
    world.whereabouts.obey(OwnerState(number=1, brokers=(NEW,)))
    world.pass_a_minute()
    assert world.places == [([NEW], None), ([OLD], None)]


def test_the_search_is_told_once_for_each_absence(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    for _ in range(4):
        world.pass_a_minute()
    assert sum("not where the owner says" in each.message for each in caplog.records) == 1


def test_nothing_happens_after_the_end() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.close()
    world.whereabouts.note(DOWN)
    assert world.waiting == []
