"""Feed a world wrong messages, and judge what came of it.

``python -m support.fuzz SEED MUTATIONS`` in the folder ``tests`` makes one run again. It must not
know how messages are made wrong, nor which they are.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from support.carried import every_field
from support.world import World

if TYPE_CHECKING:
    from collections import Counter

ROUNDS, CHECKS = 4, 25
UNDERSTOOD = 0.5
CONNECTED = 0.005
BLOCKS_MAX = 500
"""What Python itself keeps differs by so much; one message that is kept has a dozen blocks."""
REASONS = frozenset(
    (
        *("after-close", "candidates-expired", "conflicting-offer", "foreign-status", "malformed"),
        *("old-status", "repeated", "replayed", "retained", "silence", "stale-nonce", "too-large"),
        *("unauthentic", "unauthorized", "unexpected", "unknown-session", "unsupported-version"),
        *("unvouched", "wrong-topic"),
        *("document malformed", "document not-signed", "document too-large"),
    )
)
"""Each was a reason to refuse something, else the messages do not reach far enough."""
UNREAD = ("wrong-topic", "retained", "too-large", "throttled", "unauthentic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the messages; plain values, so that it passes between processes."""

    mutated: int
    connected: int
    refused: Counter[str] = field(repr=False)
    carried: frozenset[str] = field(repr=False)
    """The fields that the right messages held: only what is there can be made wrong."""
    blocks: tuple[int, ...]
    """Memory blocks in use, each time that the world had settled."""

    @property
    def understood(self) -> float:
        """Return which part of the messages got past topic, size, rate and cryptography."""
        return 1 - sum(self.refused[code] for code in UNREAD) / self.mutated


def fuzz(seed: int, mutations: int) -> Outcome:
    """Feed so many wrong messages to a new world; an error that escapes tells the seed."""
    world, blocks = World(seed), []
    try:
        for _ in range(ROUNDS):
            for _ in range(CHECKS):
                world.run(mutations // ROUNDS // CHECKS)
                full = {name: two for name, two in world.sizes().items() if two[0] > two[1]}
                assert not full, f"tables above their bounds: {full}"
            world.settle()
            gc.collect()
            blocks.append(sys.getallocatedblocks())
    except BaseException as error:
        error.add_note(f"seed {seed}, after {world.mutated} of {mutations} mutations")
        raise
    return Outcome(
        mutated=world.mutated,
        connected=world.connected,
        refused=world.refused,
        carried=frozenset(world.forger.carried),
        blocks=tuple(blocks),
    )


def judge(outcome: Outcome) -> None:
    """Fail unless the messages came far enough to prove something and left nothing behind."""
    assert outcome.understood > UNDERSTOOD
    assert outcome.connected > outcome.mutated * CONNECTED
    assert outcome.carried >= every_field(), every_field() - outcome.carried
    assert outcome.refused.keys() >= REASONS, REASONS - outcome.refused.keys()
    grown = outcome.blocks[-1] - outcome.blocks[0]
    assert grown < BLOCKS_MAX, f"{grown} more blocks of memory: {outcome.blocks}"


if __name__ == "__main__":
    judge(fuzz(int(sys.argv[1]), int(sys.argv[2])))
