from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mqcam.broker import BrokerAddress, BrokerSettings, BrokerState
from mqcam.errors import BrokerRefused, BrokerTlsError, BrokerUnreachable
from mqcam.trust.ownerstate import OwnerState
from mqcam.whereabouts import Whereabouts
from support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mqcam.errors import BrokerError

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
        self.probes: list[tuple[BrokerSettings, Callable[[BrokerError | None], None]]] = []
        given = BrokerSettings(
            addresses=(BrokerAddress.parse(OLD),), username="u", password="p", ca_pem=ca
        )
        self.whereabouts = Whereabouts(
            given,
            remembered=remembered or OwnerState(),
            readdress=self.went.append,
            call_later=self._later,
            probe=lambda where, tell: self.probes.append((where, tell)),
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

    def answer(self, error: BrokerError | None) -> None:
        """Let the last probe end."""
        self.probes[-1][1](error)

    def go_back(self) -> None:
        """Move to where nobody is, and end at the old place."""
        self.whereabouts.obey(MOVED)
        self.pass_a_minute()
        self.whereabouts.note(UP)

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


def test_whoever_went_back_tries_the_new_place_after_the_next_loss() -> None:
    world = World()
    world.go_back()
    world.whereabouts.note(DOWN)
    assert [places for places, _ in world.places] == [[NEW], [OLD], [NEW]]
    assert len(world.waiting) == 1


def test_from_the_old_place_the_new_one_is_probed_every_minute_until_it_lets_us_in() -> None:
    world = World()
    world.go_back()
    for count in (1, 2):
        world.pass_a_minute()
        world.answer(BrokerUnreachable("nobody"))
        assert len(world.probes) == count
    assert [str(each) for each in world.probes[-1][0].addresses] == [NEW]
    assert [places for places, _ in world.places] == [[NEW], [OLD]]
    world.pass_a_minute()
    world.answer(None)
    assert [places for places, _ in world.places] == [[NEW], [OLD], [NEW]]
    assert len(world.waiting) == 1


def test_a_camera_that_the_new_place_does_not_know_stays_at_the_old_one() -> None:
    world = World()
    world.go_back()
    world.pass_a_minute()
    world.answer(BrokerRefused("no"))
    assert [places for places, _ in world.places] == [[NEW], [OLD]]


def test_what_a_probe_says_too_late_moves_nobody() -> None:
    world = World()
    world.go_back()
    world.pass_a_minute()
    world.whereabouts.obey(OwnerState(number=2, brokers=(NEWER,)))
    went = len(world.went)
    world.answer(None)
    world.whereabouts.close()
    world.answer(None)
    assert len(world.went) == went


def test_a_loss_of_the_new_place_gives_it_a_minute_to_come_back() -> None:
    world = World()
    world.whereabouts.obey(MOVED)
    world.whereabouts.note(UP)
    world.whereabouts.note(DOWN)
    world.whereabouts.note(DOWN)
    assert len(world.went) == len(world.waiting) == 1


REFUSED = BrokerState(connected=False, error=BrokerRefused("no"))
OF_NO_USE = BrokerState(connected=False, error=BrokerTlsError("another authority"))


def test_who_is_in_a_hurry_leaves_a_new_place_of_no_use_at_once_and_only_once() -> None:
    world = World(MOVED, is_hasty=True)
    world.whereabouts.note(OF_NO_USE)
    world.whereabouts.note(OF_NO_USE)
    assert [places for places, _ in world.places] == [[OLD]]
    world.pass_a_minute()
    assert [places for places, _ in world.places] == [[OLD], [NEW]]


def test_a_viewer_that_the_new_place_does_not_know_looks_for_nothing_at_the_old_one() -> None:
    world = World(MOVED, is_hasty=True)
    world.whereabouts.note(DOWN)
    world.whereabouts.note(REFUSED)
    assert (world.went, world.waiting) == ([], [])


def test_a_viewer_at_the_old_place_leaves_it_when_the_new_one_does_not_know_it() -> None:
    world = World(is_hasty=True)
    world.go_back()
    world.pass_a_minute()
    world.answer(BrokerRefused("no"))
    assert [places for places, _ in world.places] == [[NEW], [OLD], [NEW]]


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
