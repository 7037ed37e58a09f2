"""Whose signature counts, how often it is verified, and how much of that is remembered."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from mqcam.errors import DocumentRefused
from mqcam.trust.signers import Signers


@dataclass
class Known:
    """A file whose authorities may change."""

    authorities: tuple[str, ...] = ()


class Reader:
    """Documents that read ``SIGNER: text``."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, text: str, *, owner: str, namespace: str) -> str:
        self.reads += 1
        signer, _, said = text.partition(": ")
        if (signer, namespace) != (owner, "home"):
            raise DocumentRefused("not-signed", f"not by {owner}")
        return said


def signers(reader: Reader, known: Known, owner: str | None = "owner") -> Signers[str]:
    return Signers(reader, namespace="home", owner=owner, known=known, good_max=3)


def test_the_owner_and_every_authority_count() -> None:
    made = signers(Reader(), Known(("aunt", "uncle")))
    assert made.keys == ("owner", "aunt", "uncle")
    assert [made.read(f"{each}: yes") for each in made.keys] == ["yes"] * 3


@pytest.mark.parametrize("owner", ["owner", None])
def test_what_nobody_signed_who_counts_is_refused(owner: str | None) -> None:
    with pytest.raises(DocumentRefused):
        signers(Reader(), Known(), owner).read("stranger: yes")


def test_a_good_signature_is_verified_once() -> None:
    reader = Reader()
    made = signers(reader, Known())
    assert [made.read("owner: yes") for _ in range(5)] == ["yes"] * 5
    assert reader.reads == 1


def test_who_is_struck_out_counts_no_more_though_his_signature_was_found_good() -> None:
    known = Known(("aunt",))
    made = signers(Reader(), known)
    made.read("aunt: yes")
    known.authorities = ()
    with pytest.raises(DocumentRefused):
        made.read("aunt: yes")


def test_a_full_memory_forgets_all_and_what_is_in_it_stays() -> None:
    reader = Reader()
    made = signers(reader, Known())
    for number in (1, 2, 3, 1, 2, 3):
        made.read(f"owner: {number}")
    assert reader.reads == 3
    made.read("owner: 4")
    made.read("owner: 1")
    assert reader.reads == 5
