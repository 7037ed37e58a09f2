from __future__ import annotations

import pytest
from mqcam import config
from mqcam.errors import ConfigError
from mqcam_broker.folder.settings import BrokerDecisions


@pytest.mark.parametrize("namespace", ["mqcam", "007", "no", "null", "a-b_c"])
def test_what_was_written_is_read_back(namespace: str) -> None:
    """Also names that YAML would take for a number, a truth value or nothing."""
    decisions = BrokerDecisions(
        addresses=("mqtts://nas.local:8883", "mqtts://[2001:db8::1]:8883"), namespace=namespace
    )
    assert config.decode(decisions.text(), BrokerDecisions, file="broker.yaml") == decisions


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("addresses: []", "at least one"),
        ("addresses: ['nas.local']", "must begin with"),
        ("addresses: ['mqtts://nas.local']\nnamespace: a/b", "namespace: use 1 to 64"),
        ("addresses: ['mqtts://nas.local']\nnamespac: x", "namespace"),
        (
            "addresses: ['mqtts://nas.local']\nexisting: true\nshared_user: \"ha\\nuser x\"",
            "shared_user: is one line",
        ),
    ],
)
def test_what_an_owner_may_mistype_is_explained(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        config.decode(text, BrokerDecisions, file="broker.yaml")
