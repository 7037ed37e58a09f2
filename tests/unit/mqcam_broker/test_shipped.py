from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from mqcam.errors import MissingRequirement
from mqcam_broker import shipped
from mqcam_broker.folder.names import OWNER

SHIPPED = shipped.shipped_file(shipped.CONFIGURATION).read_text("utf-8")
ELSEWHERE = Path("/srv/my broker")


def changes(rendered: str) -> list[tuple[str, str]]:
    before, after = SHIPPED.splitlines(), rendered.splitlines()
    assert len(before) == len(after)
    return [(a, b) for a, b in zip(before, after, strict=True) if a != b]


def test_the_default_is_the_shipped_file_itself() -> None:
    """So that it works as it stands at its default place."""
    default = shipped.DEFAULT_DIRECTORY
    rendered = shipped.configuration(directory=default, user="mosquitto", is_fleet=True)
    assert rendered == SHIPPED


def test_only_directory_ports_address_user_and_rules_are_filled_in() -> None:
    rendered = shipped.configuration(
        directory=ELSEWHERE, user="jan", port=9999, bind="192.0.2.1", ws_port=9998
    )
    for before, after in changes(rendered):
        expected = before.replace("/etc/mqcam-broker/", "/srv/my broker/")
        expected = re.sub("^#(?=[a-z])", "", expected)
        expected = expected.replace("listener 8883", "listener 9999 192.0.2.1")
        expected = expected.replace("listener 8084", "listener 9998 192.0.2.1")
        expected = expected.replace("fleet.acl", "members.acl")
        assert after == expected.replace("user mosquitto", "user jan")


def test_a_public_certificate_needs_no_authority_of_ours() -> None:
    text = shipped.configuration(directory=ELSEWHERE, user="jan", ws_port=8084, is_public=True)
    assert "ca.crt" not in text
    assert text.count(f"\ncafile {ELSEWHERE}/server.crt\n") == 2


def test_the_websockets_listener_is_off_unless_asked_for() -> None:
    rendered = shipped.configuration(directory=ELSEWHERE, user="jan")
    assert not [line for line in rendered.splitlines() if line.startswith("protocol websockets")]
    asked = shipped.configuration(directory=ELSEWHERE, user="jan", ws_port=8084)
    assert "\nlistener 8084\nprotocol websockets\n" in asked
    assert "\n#listener" not in asked


def test_both_listeners_are_equally_strict() -> None:
    """What follows the port of each: the same files, TLS version and limits."""
    asked = shipped.configuration(directory=ELSEWHERE, user="jan", ws_port=8084)
    settings = [line for line in asked.splitlines() if line and not line.startswith("#")]
    first, second = settings.index("listener 8883"), settings.index("listener 8084")
    of_second = [line for line in settings[second + 1 :] if line != "protocol websockets"]
    assert settings[first + 1 : second] == of_second


def test_every_setting_is_explained() -> None:
    """Each setting, or the group of switched-off ones, has a comment above it."""
    lines = SHIPPED.splitlines()
    for above, line in pairwise(lines):
        if line and not line.startswith("#"):
            assert above.startswith("# "), line


@pytest.mark.parametrize(
    "setting",
    [
        "allow_anonymous false",
        "set_tcp_nodelay true",
        "per_listener_settings false",
        "max_queued_messages 1000",
        "persistence true",
        "tls_version tlsv1.2",
        "log_dest stderr",
    ],
)
def test_what_the_program_relies_on_is_set(setting: str) -> None:
    assert setting in SHIPPED.splitlines()


def test_a_name_may_have_several_clients() -> None:
    """With this option a viewer's window and command line would throw each other out."""
    assert "use_username_as_clientid" not in SHIPPED


def rule_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_rules_are_six_patterns_and_the_owners_word() -> None:
    *patterns, word, user, topic = rule_lines(shipped.rules())
    assert len(patterns) == len(set(patterns)) == 6
    assert all(re.fullmatch(r"pattern (read|write) mqcam/v1/[dv]/\S+", line) for line in patterns)
    assert word == "pattern read mqcam/v1/owner/state"
    assert (user, topic) == (f"user {OWNER}", "topic readwrite mqcam/v1/owner/state")


def test_every_written_topic_names_its_writer() -> None:
    assert all("%u" in line for line in rule_lines(shipped.rules()) if " write " in line)


def test_the_rules_follow_the_namespace() -> None:
    ours = shipped.rules().replace("mqcam/v1/", "home/v1/")
    assert shipped.rules("home") == ours
    assert "mqcam/" not in shipped.rules("home")


def test_a_missing_file_names_itself() -> None:
    with pytest.raises(MissingRequirement, match=r"without its other\.conf; install it again"):
        shipped.shipped_file("other.conf")


def test_an_installed_copy_is_found_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet.acl").write_text("here")
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "shipped.py"))
    assert shipped.shipped_file("fleet.acl") == tmp_path.resolve() / "fleet.acl"


def test_a_shipped_file_that_lost_a_line_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mosquitto.conf").write_text("listener 8883\n")
    monkeypatch.setattr(shipped, "__file__", str(tmp_path / "shipped.py"))
    with pytest.raises(MissingRequirement, match="no line 'acl_file"):
        shipped.configuration(directory=tmp_path, user="jan")
