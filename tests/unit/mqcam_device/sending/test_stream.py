"""Numbers, encryption and repeats of one viewer, on a wire that remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from mqcam.payload import read_packet, read_rotation
from mqcam.sdp import ORIENTATION_URI
from mqcam_device.sending.layout import RUN_PACKETS
from mqcam_device.sending.parcels import Parcels
from mqcam_device.sending.stream import COLLISION_TICKS, COPIES, Stream
from support.sending import ALL_EXTENSIONS, RTX_SSRC, SSRC, TAG, Sealed, Wire, unit, video

if TYPE_CHECKING:
    from mqcam.payload import RtpPacket
    from mqcam_device.media import AccessUnit


class Rig:
    """One viewer's stream, its sealing, its wire and what the rate control hears."""

    def __init__(self, *, has_rtx: bool = True, first: int = 100, prefix_bytes: int = 0) -> None:
        self.sealed = Sealed()
        self.wire = Wire(prefix_bytes=prefix_bytes)
        self.parcels = Parcels(epoch=0)
        self.reported: list[tuple[int, int, int]] = []
        self.stream = Stream(
            video(has_rtx=has_rtx),
            sealer=self.sealed,
            parcels=self.parcels,
            random_number=lambda _bits: first,
            on_run=lambda *run: self.reported.append(run),
        )
        self.stream.use(self.wire)

    def send(self, each: AccessUnit, limit: int = RUN_PACKETS) -> bool:
        """Send a unit in pieces; False when the wire is full."""
        pieces = self.stream.pieces(self.parcels.parcel(each), 0, limit)
        return all(self.stream.send(piece) for piece in pieces)

    def repeat(self, sequence: int) -> bool:
        """Send a packet again."""
        sent = self.stream.ledger.find(self.stream.ledger.extend(sequence))
        return sent is not None and self.stream.send_again(sent, 0)

    def read(self) -> list[RtpPacket]:
        """Return what is on the wire."""
        found = [read_packet(each.removesuffix(TAG)) for each in self.wire.packets]
        return [each for each in found if each is not None]


def test_packets_are_numbered_in_a_row_across_pictures_and_the_wrap() -> None:
    rig = Rig(first=0xFFFE)
    rig.send(unit(0, keyframe=True))
    rig.send(unit(1))
    read = rig.read()

    assert [each.sequence for each in read] == [0xFFFE, 0xFFFF, 0, 1, 2, 3]
    assert {each.ssrc for each in read} == {SSRC}
    assert [each.marker for each in read] == [False, False, True] * 2


def test_pieces_leave_the_same_packets_as_the_whole() -> None:
    whole, cut = Rig(), Rig()
    whole.send(unit(0, size=30_000))
    cut.send(unit(0, size=30_000), limit=10)

    assert whole.wire.packets == cut.wire.packets
    assert (whole.wire.runs, cut.wire.runs) == ([27], [10, 10, 7])


def test_a_relays_header_has_its_room_and_changes_nothing_else() -> None:
    direct, relayed = Rig(), Rig(prefix_bytes=4)
    for rig in (direct, relayed):
        rig.send(unit(0, keyframe=True))
        assert rig.repeat(101)

    assert direct.wire.packets == relayed.wire.packets


def test_a_picture_that_is_laid_out_for_another_route_is_not_sent() -> None:
    rig = Rig()
    pieces = rig.stream.pieces(rig.parcels.parcel(unit(0)), 0, RUN_PACKETS)
    rig.stream.use(Wire(prefix_bytes=4))

    assert not rig.stream.send(pieces[0])
    assert rig.sealed.packets == []


def test_a_repeat_travels_on_its_own_stream_with_the_number_in_front() -> None:
    rig = Rig()
    rig.send(unit(0, keyframe=True))
    assert rig.repeat(101)
    original, repeat = rig.read()[1], rig.read()[3]

    assert (repeat.ssrc, repeat.payload_type) == (RTX_SSRC, 97)
    assert repeat.payload == (101).to_bytes(2) + original.payload
    assert (repeat.timestamp, repeat.marker) == (original.timestamp, original.marker)


def test_pictures_and_repeats_say_how_to_turn_them() -> None:
    rig = Rig()
    for seq, rotation in enumerate((0, 90, 90, 0)):
        rig.stream.turn(rotation)
        rig.send(unit(seq, size=100, keyframe=seq == 0))
    rig.stream.turn(270)
    assert rig.repeat(103)

    number = ALL_EXTENSIONS[ORIENTATION_URI]
    assert [read_rotation(each, number) for each in rig.wire.packets] == [0, 90, 90, 0, 270]


def test_without_rtx_a_repeat_is_the_same_bytes() -> None:
    """Encrypted anew it would give the key away."""
    rig = Rig(has_rtx=False)
    rig.send(unit(0, keyframe=True))
    sealed = len(rig.sealed.packets)
    assert rig.repeat(101)

    assert rig.wire.packets[3] == rig.wire.packets[1]
    assert len(rig.sealed.packets) == sealed


def test_copies_of_a_viewer_without_rtx_are_bounded() -> None:
    rig = Rig(has_rtx=False, first=0)
    for seq in range(COPIES):
        rig.send(unit(seq, size=1500))

    assert not rig.repeat(0)
    assert rig.repeat(2 * COPIES - 1)


def test_what_is_too_old_is_not_repeated() -> None:
    rig = Rig()
    rig.send(unit(0, keyframe=True))
    for seq in range(200, 203):
        rig.send(unit(seq))

    assert not rig.repeat(100)


def test_both_layers_of_one_capture_have_timestamps_of_their_own() -> None:
    rig = Rig()
    rig.send(unit(3))
    rig.send(unit(3, layer="low", keyframe=True))
    first, *_, last = rig.read()

    assert last.timestamp - first.timestamp == COLLISION_TICKS


def test_the_rate_control_hears_of_every_packet_in_order() -> None:
    rig = Rig(first=7)
    rig.send(unit(0, size=30_000), limit=10)
    rig.repeat(8)

    assert [(first, count) for first, count, _ in rig.reported] == [
        (7, 10),
        (17, 10),
        (27, 7),
        (34, 1),
    ]
    assert all(size > 1000 for *_, size in rig.reported)


def test_transport_numbers_stand_in_the_packets() -> None:
    rig = Rig(first=7)
    rig.send(unit(0, size=30_000))
    places = [each.index(bytes((3 << 4 | 1,)), 16) + 1 for each in rig.wire.packets]

    assert [
        int.from_bytes(each[at : at + 2]) for each, at in zip(rig.wire.packets, places, strict=True)
    ] == list(range(7, 34))


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 8000), st.booleans()),
        st.tuples(st.just("repeat"), st.integers(0, 0xFFFF), st.booleans()),
        st.tuples(st.just("full"), st.integers(0, 1), st.booleans()),
        st.tuples(st.just("route"), st.sampled_from([0, 4]), st.booleans()),
        st.tuples(st.just("playout"), st.sampled_from([0, 400]), st.booleans()),
    ),
    max_size=30,
)


@given(steps=STEPS, first=st.sampled_from([0, 5, 0x7FFF, 0xFFF0]), has_rtx=st.booleans())
def test_no_number_is_ever_used_for_two_different_packets(
    steps: list[tuple[str, int, bool]], first: int, has_rtx: bool
) -> None:
    """With GCM two packets at one (SSRC, index) give the authentication key away.

    Over joins, layers, repeats, routes that change or are full, and pieces broken off: whatever is
    encrypted is encrypted once, and nothing is on the wire that was not.
    """
    rig = Rig(first=first, has_rtx=has_rtx)
    wires = [rig.wire]
    for seq, (kind, value, flag) in enumerate(steps):
        if kind == "send":
            layer = "low" if flag else "main"
            rig.send(unit(seq, size=value, layer=layer, keyframe=flag), limit=10 if flag else 44)
        elif kind == "repeat":
            rig.repeat(value if flag else first + value % 16)
        elif kind == "full":
            wires[-1].is_full = bool(value)
        elif kind == "route":
            wires.append(Wire(prefix_bytes=value))
            rig.stream.use(wires[-1])
        else:
            rig.stream.hold_back((0, value))
    numbers = [
        packet[2:4] + packet[8:12] for packet in rig.sealed.packets
    ]  # far below a wrap's worth

    assert len(numbers) == len(set(numbers))
    sealed = {packet + TAG for packet in rig.sealed.packets}
    assert all(packet in sealed for wire in wires for packet in wire.packets)
