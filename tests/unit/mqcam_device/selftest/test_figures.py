from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from mqcam.errors import ControlError
from mqcam_device.media import LayerInfo
from mqcam_device.selftest.figures import account_from_json
from support.trials import ACCOUNT, STREAM

LOW = LayerInfo(name="low", width=640, height=360, fps_min=15, fps_max=15, bitrate_range_bps=(1, 2))
RECORD: dict[str, Any] = json.loads(json.dumps(ACCOUNT.as_json()))


def test_an_account_survives_its_way_from_the_agent() -> None:
    account = replace(ACCOUNT, stream=replace(STREAM, smaller=(LOW,)))
    assert account_from_json(json.loads(json.dumps(account.as_json()))) == account


def test_a_rate_that_cannot_be_set_survives_too() -> None:
    account = replace(ACCOUNT, stream=replace(STREAM, bitrate_range_bps=None))
    assert account_from_json(json.loads(json.dumps(account.as_json()))) == account


@pytest.mark.parametrize(
    "record",
    [
        {},
        {**RECORD, "more": 1},
        {**RECORD, "figures": {**RECORD["figures"], "more": 1}},
        {**RECORD, "figures": {**RECORD["figures"], "steps": [{"asked": 1}]}},
        {**RECORD, "stream": {"width": 1}},
        {**RECORD, "stream": None},
    ],
)
def test_an_agent_of_another_release_is_said_to_be_one(record: dict[str, Any]) -> None:
    with pytest.raises(ControlError, match="another release"):
        account_from_json(record)
