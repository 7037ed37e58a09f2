"""The answer "no" of whoever judges a peer: a code for programs and a sentence for people.

It must not know keys or policies: the endpoints carry it from the judge to the peer or the person.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Say why a peer is not let in: `code` is one of the protocol's, `text` is for a person."""

    code: str
    text: str
