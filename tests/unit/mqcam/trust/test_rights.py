"""What viewers may do at a device, case by case."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.protocol.verdict import Denial
from mqcam.trust.documents import Grant
from mqcam.trust.keys import SigningKey
from mqcam.trust.pins import AuthorizedViewers
from mqcam.trust.rights import GRANTS_MAX, ViewerTrust

if TYPE_CHECKING:
    from pathlib import Path

OWNER, LAPTOP, OTHER = (SigningKey(bytes([number]) * 32) for number in (1, 2, 3))
GRANT = Grant(name="laptop", key=LAPTOP.public, serial="serial01", cameras=("front", "garden-*"))
VIEW = frozenset({"view"})


def trust(
    path: Path, *, device: str = "front", owner: str | None = OWNER.public, second: int | None = 100
) -> ViewerTrust:
    return ViewerTrust(
        namespace="mqcam",
        device=device,
        owner=owner,
        authorized=AuthorizedViewers(path),
        second=lambda: second,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "front.authorized_viewers"


def text_of(verdict: frozenset[str] | Denial) -> str:
    assert isinstance(verdict, Denial)
    assert verdict.code == "unauthorized"
    return verdict.text


@pytest.mark.parametrize("device", ["front", "garden-1", "garden-"])
def test_grant_of_the_owner_lets_in_at_the_cameras_it_names(path: Path, device: str) -> None:
    grant = replace(GRANT, rights=("view", "talk")).issue(OWNER, "mqcam")
    judge = trust(path, device=device)
    for _ in range(2):
        assert judge.authorize("laptop", LAPTOP.public, grant) == frozenset({"view", "talk"})


def test_right_that_nobody_knows_is_no_right(path: Path) -> None:
    grant = replace(GRANT, rights=("view", "fly")).issue(OWNER, "mqcam")
    assert trust(path).authorize("laptop", LAPTOP.public, grant) == VIEW


def test_grant_whose_rights_are_all_unknown_is_a_denial_not_a_viewer_without_rights(
    path: Path,
) -> None:
    for rights in (("fly",), ()):
        grant = replace(GRANT, rights=rights).issue(OWNER, "mqcam")
        verdict = trust(path).authorize("laptop", LAPTOP.public, grant)
        assert "names no right" in text_of(verdict)


@pytest.mark.parametrize(
    ("grant", "viewer", "key", "said"),
    [
        (GRANT, "phone", LAPTOP, "belongs to laptop"),
        (GRANT, "laptop", OTHER, "another key"),
        (replace(GRANT, cameras=("back",)), "laptop", LAPTOP, "does not name the camera front"),
        (replace(GRANT, cameras=("[a-z]ront", "fron[!x]", "")), "laptop", LAPTOP, "does not name"),
        (replace(GRANT, cameras=()), "laptop", LAPTOP, "does not name the camera front"),
        (replace(GRANT, expires=100), "laptop", LAPTOP, "has ended"),
    ],
)
def test_grant_that_does_not_hold_says_why(
    path: Path, grant: Grant, viewer: str, key: SigningKey, said: str
) -> None:
    verdict = trust(path).authorize(viewer, key.public, grant.issue(OWNER, "mqcam"))
    assert said in text_of(verdict)


def test_grant_that_ends_later_is_good_until_then(path: Path) -> None:
    grant = replace(GRANT, expires=101).issue(OWNER, "mqcam")
    assert trust(path, second=100).authorize("laptop", LAPTOP.public, grant) == VIEW
    assert "has ended" in text_of(trust(path, second=101).authorize("laptop", LAPTOP.public, grant))


def test_without_a_clock_only_grants_without_an_end_are_good(path: Path) -> None:
    judge = trust(path, second=None)
    ending = replace(GRANT, expires=10**10).issue(OWNER, "mqcam")
    assert "does not know the time" in text_of(judge.authorize("laptop", LAPTOP.public, ending))
    assert judge.authorize("laptop", LAPTOP.public, GRANT.issue(OWNER, "mqcam")) == VIEW


@pytest.mark.parametrize("namespace", ["other", "mqcam2"])
def test_grant_of_another_namespace_or_signer_is_worthless(path: Path, namespace: str) -> None:
    judge = trust(path)
    elsewhere = GRANT.issue(OWNER, namespace)
    assert "not signed by the owner" in text_of(judge.authorize("laptop", LAPTOP.public, elsewhere))
    by_itself = GRANT.issue(LAPTOP, "mqcam")
    assert "not signed by the owner" in text_of(judge.authorize("laptop", LAPTOP.public, by_itself))


@pytest.mark.parametrize("grant", ["rubbish", "e30.c2ln", "." * 5000, "", "é.é"])
def test_rubbish_for_a_grant_is_a_denial(path: Path, grant: str) -> None:
    text_of(trust(path).authorize("laptop", LAPTOP.public, grant))


def test_revoked_serial_takes_the_right_even_from_a_grant_known_as_good(path: Path) -> None:
    judge, grant = trust(path), GRANT.issue(OWNER, "mqcam")
    assert judge.authorize("laptop", LAPTOP.public, grant) == VIEW
    judge.obey(frozenset({GRANT.serial}))
    assert "was revoked" in text_of(judge.authorize("laptop", LAPTOP.public, grant))


def test_paired_viewer_needs_no_grant_and_no_owner(path: Path) -> None:
    AuthorizedViewers(path).add("laptop", LAPTOP.public, VIEW)
    judge = trust(path, owner=None)
    assert judge.authorize("laptop", LAPTOP.public, "") == VIEW
    assert "another key" in text_of(judge.authorize("laptop", OTHER.public, ""))
    assert "nobody let phone in" in text_of(judge.authorize("phone", LAPTOP.public, ""))


def test_authority_in_the_file_counts_like_an_owner(path: Path) -> None:
    path.write_text(f"authority {OWNER.public}\n")
    path.chmod(0o600)
    judge = trust(path, owner=None)
    assert judge.authorize("laptop", LAPTOP.public, GRANT.issue(OWNER, "mqcam")) == VIEW
    assert "signed" in text_of(
        judge.authorize("laptop", LAPTOP.public, GRANT.issue(OTHER, "mqcam"))
    )


def test_whoever_is_shut_out_here_stays_out_with_the_best_grant(path: Path) -> None:
    AuthorizedViewers(path).revoke("laptop", LAPTOP.public)
    judge = trust(path)
    grant = GRANT.issue(OWNER, "mqcam")
    assert "shut out" in text_of(judge.authorize("laptop", LAPTOP.public, grant))
    renamed = replace(GRANT, name="notebook").issue(OWNER, "mqcam")
    assert "shut out" in text_of(judge.authorize("notebook", LAPTOP.public, renamed))
    again = replace(GRANT, key=OTHER.public).issue(OWNER, "mqcam")
    assert judge.authorize("laptop", OTHER.public, again) == VIEW


def test_without_owner_and_authority_a_grant_says_nothing(path: Path) -> None:
    grant = GRANT.issue(OWNER, "mqcam")
    verdict = trust(path, owner=None).authorize("laptop", LAPTOP.public, grant)
    assert "no owner" in text_of(verdict)


def test_good_grants_are_remembered_within_a_bound(path: Path) -> None:
    judge = trust(path)
    for number in range(2 * GRANTS_MAX):
        key = SigningKey(number.to_bytes(32, "big")).public
        grant = replace(GRANT, key=key).issue(OWNER, "mqcam")
        assert judge.authorize("laptop", key, grant) == VIEW
    assert len(judge._signers._good) <= GRANTS_MAX


def test_entry_at_the_camera_counts_before_a_grant_and_a_grant_where_the_entry_has_another_key(
    path: Path,
) -> None:
    AuthorizedViewers(path).add("laptop", LAPTOP.public, VIEW)
    judge = trust(path)
    everything = replace(GRANT, rights=("view", "talk", "control"))
    of_this_key = everything.issue(OWNER, "mqcam")
    of_the_next = replace(everything, key=OTHER.public).issue(OWNER, "mqcam")
    assert judge.authorize("laptop", LAPTOP.public, of_this_key) == VIEW
    assert judge.authorize("laptop", OTHER.public, of_the_next) == frozenset(everything.rights)


def test_authority_that_is_struck_out_takes_back_the_grants_that_were_known_as_good(
    path: Path,
) -> None:
    path.write_text(f"authority {OWNER.public}\n")
    viewers = AuthorizedViewers(path)
    judge = ViewerTrust(
        namespace="mqcam", device="front", owner=None, authorized=viewers, second=lambda: None
    )
    grant = GRANT.issue(OWNER, "mqcam")
    assert judge.authorize("laptop", LAPTOP.public, grant) == VIEW
    path.write_text("# nobody\n")
    viewers.add("phone", OTHER.public, VIEW)
    assert "no owner" in text_of(judge.authorize("laptop", LAPTOP.public, grant))


def test_pattern_of_many_stars_costs_next_to_nothing(path: Path) -> None:
    grant = replace(GRANT, cameras=("*a" * 31 + "b",) * 40).issue(OWNER, "mqcam")
    judge = trust(path, device="a" * 64)
    begun = time.process_time()
    assert "does not name" in text_of(judge.authorize("laptop", LAPTOP.public, grant))
    assert time.process_time() - begun < 0.5
