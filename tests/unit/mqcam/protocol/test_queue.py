from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from mqcam.protocol.codec import encode
from mqcam.protocol.messages import BODY_MAX_BYTES, Candidates
from mqcam.protocol.session import Queue
from support.endpoints import HOST


@example(['"' * 512] * 40, True)
@given(st.lists(st.text('ab"\\', max_size=512), max_size=128), st.booleans())
def test_every_message_fits_and_together_they_carry_all_in_order(
    candidates: list[str], end: bool
) -> None:
    queue = Queue()
    assert queue.add(candidates, ufrag="u", end=end, room=128) == []
    parts = list(queue.take())
    assert [one for part, _ in parts for one in part] == candidates
    assert [is_end for _, is_end in parts] == [False] * (len(parts) - 1) + [end]
    for part, is_end in parts:
        body = encode(Candidates(n=2**53 - 1, ufrag="u" * 256, candidates=part, end=is_end))
        assert len(body) <= BODY_MAX_BYTES
    assert queue.is_empty


def test_what_cannot_stand_on_the_wire_is_returned() -> None:
    bad = ["x" * 513, "umlaut-ä", "line\nbreak"]
    assert Queue().add([*bad, HOST], ufrag="u", end=False, room=1) == bad
    assert Queue().add([HOST, HOST], ufrag="u", end=False, room=1) == [HOST]


def test_again_sends_everything_once_more() -> None:
    queue = Queue()
    queue.add([HOST], ufrag="u", end=True, room=9)
    list(queue.take())
    queue.add([HOST + " 2"], ufrag="u", end=False, room=9)
    assert list(queue.again().take()) == [((HOST, HOST + " 2"), True)]
