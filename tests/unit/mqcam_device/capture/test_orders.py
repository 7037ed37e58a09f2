from __future__ import annotations

from mqcam_device.capture import wire
from mqcam_device.capture.orders import Order, Orders
from mqcam_device.media import LOW, SourceSettings

START = wire.Start(settings=SourceSettings())


def test_orders_are_taken_in_their_order() -> None:
    orders = Orders()
    given: list[Order] = [START, wire.Framerate(fps=10), wire.Activate(active=True)]
    for order in given:
        orders.put(order)
    assert [orders.take() for _ in given] == given


def test_a_newer_order_replaces_an_older_of_its_kind_and_layer() -> None:
    orders = Orders()
    for bitrate_bps in range(1000):
        orders.put(wire.Bitrate(bitrate_bps=bitrate_bps))
        orders.put(wire.Bitrate(bitrate_bps=bitrate_bps, layer=LOW))
    assert orders.take() == wire.Bitrate(bitrate_bps=999)
    assert orders.take() == wire.Bitrate(bitrate_bps=999, layer=LOW)
    orders.close()
    assert orders.take() is None


def test_what_holds_on_is_told_to_a_new_source_and_only_that() -> None:
    orders = Orders()
    orders.put(START)
    orders.put(wire.Activate(active=True))
    orders.put(wire.Keyframe())
    assert orders.take() == START
    assert orders.take() == wire.Activate(active=True)
    orders.put(wire.Bitrate(bitrate_bps=1))
    assert orders.standing() == (wire.Activate(active=True), wire.Bitrate(bitrate_bps=1))
    assert orders.take() == wire.Keyframe()  # the bit rate is done with
    orders.put(wire.Activate(active=False))
    assert orders.standing() == (wire.Activate(active=False), wire.Bitrate(bitrate_bps=1))


def test_closing_forgets_what_waits() -> None:
    orders = Orders()
    orders.put(START)
    orders.close()
    assert orders.take() is None
