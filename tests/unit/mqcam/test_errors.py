from __future__ import annotations

import errno

import pytest
from mqcam.errors import BrokerUnreachable


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 1)"), "listens"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111]"), "listens"),
        (OSError(errno.EHOSTUNREACH, "Connect call failed ('::1', 1)"), "No route to host"),
        (OSError("Multiple exceptions"), "no address answered"),
        (TimeoutError(), "check address, network and firewall"),
    ],
)
def test_a_connection_that_failed_is_told_in_a_sentence_and_not_in_python(
    error: OSError, says: str
) -> None:
    told = str(BrokerUnreachable.because(error, address="mqtts://nas.local:8883"))
    assert says in told
    assert "mqtts://nas.local:8883" in told
    assert "Connect call failed" not in told
