from __future__ import annotations

import json

from mqcam_broker.audit.findings import Verdict, as_json, found, has_bad, table

OK = found("TLS 1.1", "anybody", Verdict.OK, "is refused")
BAD = found("anonymous", "anybody", Verdict.BAD, "is let in")


def test_what_is_bad_stands_last() -> None:
    assert [line.split()[0] for line in table([BAD, OK])][:2] == ["ok", "BAD"]


def test_what_is_bad_has_a_remedy_which_is_told_once() -> None:
    lines = list(table([BAD, found("unknown user", "anybody", Verdict.BAD, "is let in"), OK]))
    assert OK.remedy == ""
    assert lines[3:] == ["What to do:", "  anonymous, unknown user:", f"    {BAD.remedy}"]


def test_a_check_that_has_no_remedy_of_its_own_is_cured_by_rules() -> None:
    assert "acl_file" in found("forged will", "anna", Verdict.BAD, "").remedy


def test_columns_stand_below_each_other() -> None:
    first, second = list(table([OK, BAD]))[:2]
    assert first.index("anybody") == second.index("anybody")


def test_a_program_gets_every_finding() -> None:
    facts = json.loads(as_json("mqtts://nas.local:8883", [OK, BAD]))
    assert (facts["broker"], facts["ok"]) == ("mqtts://nas.local:8883", False)
    assert facts["findings"][1] == {
        "check": "anonymous",
        "who": "anybody",
        "verdict": "BAD",
        "text": "is let in",
        "remedy": BAD.remedy,
    }


def test_only_what_is_bad_is_bad() -> None:
    others = [found("x", "y", verdict, "") for verdict in Verdict if verdict is not Verdict.BAD]
    assert not has_bad(others)
    assert has_bad([*others, BAD])
