"""Why two peers found no path to each other, in a sentence that ends with what to do.

Pure: facts go in, text comes out. It must not know sockets or who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mqcam.gathering import Inquiry

HELP = "see docs/away.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when no path was found; ``inquiries`` are those at servers."""

    local: Sequence[str]
    """The types of our candidates."""
    remote: int
    """How many addresses the other side sent that could be tried."""
    remote_has_relay: bool
    is_relay_only: bool
    inquiries: Sequence[Inquiry]


def explain(facts: Facts) -> str:
    """Return the sentence."""
    relays = [each for each in facts.inquiries if each.is_relay]
    if facts.is_relay_only and "relay" not in facts.local:
        if not relays:
            return (
                "only a relay may be used (policy: relay) and none is configured: "
                f"name a TURN server, {HELP}"
            )
        return f"only a relay may be used (policy: relay), and none was given: {_told(relays)}"
    if not facts.remote:
        return (
            "the other side sent no address that can be used: "
            "check that both programs are of one release and have a network"
        )
    tried = (
        f"none of {facts.remote} addresses of the other side answered any of our {len(facts.local)}"
    )
    if "relay" in facts.local or facts.remote_has_relay:
        return (
            f"{tried}, and the relay did not help: "
            "check that the TURN server may send and receive UDP on its relay ports"
        )
    if relays:
        return f"no direct path between these networks ({tried}), and no relay: {_told(relays)}"
    return (
        f"no direct path between these networks and no relay is configured: {HELP} ({tried}; "
        "in one network, check that no firewall stops UDP)"
    )


def _told(relays: Sequence[Inquiry]) -> str:
    """Name each TURN server's outcome; all of them in one word where they agree."""
    outcomes = {each.outcome for each in relays}
    if len(relays) > 1 and len(outcomes) == 1:
        return f"every TURN server {relays[0].outcome.value}"
    return "; ".join(str(each) for each in relays)
