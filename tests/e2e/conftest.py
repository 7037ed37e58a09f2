"""One broker and one camera that play the test pattern, shared by the tests of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.agent import SMALL, RunningAgent
from support.broker import ShippedBroker

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def broker() -> Iterator[ShippedBroker]:
    """Run a broker with the shipped files."""
    with ShippedBroker() as running:
        yield running


@pytest.fixture(scope="module")
def camera(broker: ShippedBroker) -> Iterator[RunningAgent]:
    """Run a camera agent as a user starts it."""
    with RunningAgent(broker, settings=SMALL) as running:
        yield running


@pytest.fixture
def own_broker() -> Iterator[ShippedBroker]:
    """Run a broker that a test may stop."""
    with ShippedBroker() as running:
        yield running
