"""The bounded tables: buckets, quotas, held and waiting candidates, nonces and tombstones."""

from __future__ import annotations

from mqcam.protocol.bucket import Buckets
from mqcam.protocol.effects import SessionKey
from mqcam.protocol.held import Held
from mqcam.protocol.limits import Limits
from mqcam.protocol.messages import Candidates
from mqcam.protocol.nonces import Grave, Nonces
from mqcam.protocol.quota import Quota
from mqcam.protocol.waiting import Waiting
from support.endpoints import DEADLINES, HOST, counting_bytes

GRAVE = Grave(offer_hash="h", last_word=None)


def cand(n: int) -> Candidates:
    return Candidates(n=n, ufrag="u", candidates=(HOST,))


def test_bucket_gives_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(burst=3, per_s=2, names_max=9)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.take("a", 0.5)
    assert not buckets.take("a", 0.5)
    assert buckets.take("b", 0.5)


def test_full_table_of_buckets_forgets_rested_names_and_else_shares_one() -> None:
    buckets = Buckets(burst=2, per_s=1, names_max=2)
    assert buckets.take("a", 0.0)
    assert buckets.take("b", 0.0)
    assert [buckets.take(name, 0.0) for name in ("c", "d", "e")] == [True, True, False]
    assert len(buckets) == 2
    assert buckets.take("f", 9.0)
    assert len(buckets) == 1


def test_quota_speaks_once_per_interval_name_and_code() -> None:
    quota = Quota(interval_s=5, names_max=9)
    assert quota.take("a", "x", 0.0)
    assert not quota.take("a", "x", 4.9)
    assert quota.take("a", "y", 4.9)
    assert quota.take("a", "x", 5.0)


def test_full_quota_forgets_what_expired_and_else_says_nothing() -> None:
    quota = Quota(interval_s=5, names_max=1)
    assert quota.take("a", "x", 0.0)
    assert not quota.take("b", "x", 1.0)
    assert quota.take("b", "x", 5.0)
    assert len(quota) == 1


def test_held_is_ordered_bounded_and_forgets_doubles() -> None:
    held = Held(Limits(held_messages=2, held_candidates=9))
    assert held.add(cand(2))
    assert held.add(cand(1))
    assert held.add(cand(1))
    assert not held.add(cand(3))
    assert held.take() == [cand(1), cand(2)]
    assert held.take() == []


def test_waiting_is_bounded_per_sender_and_in_all() -> None:
    waiting = Waiting(deadlines=DEADLINES, limits=Limits(waiting_sessions=2, waiting_per_key=1))
    keys = [SessionKey(peer=name, peer_key=name, session=f"s{name}") for name in "abc"]
    second = SessionKey(peer="a", peer_key="a", session="other")
    assert waiting.add(keys[0], cand(1), 0.0)
    assert waiting.add(keys[0], cand(2), 0.0)
    assert not waiting.add(second, cand(1), 0.0)
    assert waiting.add(keys[1], cand(1), 1.0)
    assert not waiting.add(keys[2], cand(1), 1.0)
    assert waiting.next_deadline == 10.0
    assert waiting.expire(10.0) == [keys[0]]
    assert len(waiting) == 1
    assert waiting.take(keys[1]).take() == [cand(1)]
    assert waiting.take(keys[1]).take() == []


def test_full_generation_of_the_old_nonce_is_retired_alone() -> None:
    nonces = Nonces(random_bytes=counting_bytes(), deadlines=DEADLINES, graves_max=2)
    nonces.start(0.0)
    old = nonces.current
    assert not nonces.bury(old, ("a", "1"), GRAVE, 0.0)
    assert nonces.tick(3600.0)
    assert nonces.grave(("a", "1")) is GRAVE
    current = nonces.current
    assert not nonces.bury(old, ("a", "2"), GRAVE, 3600.0)
    assert nonces.current == current
    assert not nonces.is_good(old, 3600.0)
    assert not nonces.bury(old, ("a", "3"), GRAVE, 3600.0)
    assert nonces.grave(("a", "3")) is None
    assert nonces.next_deadline == 7200.0


def test_empty_nonce_is_never_good() -> None:
    nonces = Nonces(random_bytes=counting_bytes(), deadlines=DEADLINES, graves_max=2)
    assert not nonces.is_good("", 0.0)
    assert nonces.is_good(nonces.current, 0.0)
