"""The agent's settings have sound defaults and find their files from any folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from mqcam.config import Size
from mqcam.credentials import Credentials
from mqcam.errors import ConfigError, CredentialsError
from mqcam.servers import IceServer
from mqcam_device.camerasettings import PicameraSource
from mqcam_device.lending import SharedSecret
from mqcam_device.servers import read_servers, secrets_of
from mqcam_device.settings import FilmSource, PatternSource, load_settings


def written(folder: Path, text: str) -> Path:
    path = folder / "device.yaml"
    path.write_text(text)
    return path


def test_credentials_alone_make_a_configuration(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, "credentials: c.yaml"))
    assert settings.credentials == tmp_path / "c.yaml"
    assert settings.source == PatternSource()
    assert settings.runtime_dir is settings.state_dir is None  # mqcam_device.folders decides


def test_relative_paths_count_from_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "credentials: c.yaml\nsource: {kind: film, path: a/b.mp4}\nstate_dir: s\n")
    monkeypatch.chdir(tmp_path)
    settings = load_settings("device.yaml")
    assert settings.credentials == tmp_path / "c.yaml"
    assert settings.source == FilmSource(path=tmp_path / "a" / "b.mp4")
    assert settings.state_dir == tmp_path / "s"


def test_a_tilde_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jan")
    text = "credentials: ~/c.yaml\nsource: {kind: film, path: ~/a.mp4}\nstate_dir: ~/s\n"
    settings = load_settings(written(tmp_path, text))
    assert settings.credentials == Path("/home/jan/c.yaml")
    assert settings.source == FilmSource(path=Path("/home/jan/a.mp4"))
    assert settings.state_dir == Path("/home/jan/s")
    unknown = load_settings(written(tmp_path, "credentials: ~no-such-user/c.yaml"))
    assert unknown.credentials == tmp_path / "~no-such-user/c.yaml"


def test_credentials_in_the_place_of_the_configuration_are_one_mistake(tmp_path: Path) -> None:
    path = written(tmp_path, "kind: device\nname: front\nbroker: [mqtts://nas]\n")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    told = "this is a credentials file; write a configuration with 'credentials: device.yaml'"
    assert str(caught.value) == f"{path}: {told}"


def test_a_network_cameras_size_is_refused_before_it_is_looked_for(tmp_path: Path) -> None:
    text = "credentials: c.yaml\nsource: {kind: rtsp, url: rtsp://192.0.2.7/a}\nvideo: {size: %s}\n"
    with pytest.raises(ConfigError, match=r"video: has a size.*set it in the camera"):
        load_settings(written(tmp_path, text % "640x480"))
    load_settings(written(tmp_path, text % "null"))


def test_what_the_camera_shall_choose_again_is_said_as_it_is_at_run_time(tmp_path: Path) -> None:
    text = "credentials: c.yaml\nsource: {kind: picamera, controls: {exposure_us: 0, gain: 0}}\n"
    source = load_settings(written(tmp_path, text)).source
    assert isinstance(source, PicameraSource)
    assert (source.controls.exposure_us, source.controls.gain) == (0, 0)


def test_a_zoom_of_too_few_parts_is_told_how_many_it_has(tmp_path: Path) -> None:
    text = "credentials: c.yaml\nsource: {kind: picamera, controls: {zoom: [0.5, 0.5]}}\n"
    with pytest.raises(ConfigError, match="expected 4 numbers, got 2"):
        load_settings(written(tmp_path, text))


def test_credentials_that_systemd_hands_over_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed_over = tmp_path / "handed over"
    handed_over.mkdir()
    (handed_over / "c.yaml").touch()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed_over))
    path = written(tmp_path, "credentials: /etc/mqcam/c.yaml")
    assert load_settings(path).credentials == handed_over / "c.yaml"
    path = written(tmp_path, "credentials: other.yaml")
    assert load_settings(path).credentials == tmp_path / "other.yaml"


def test_size_is_written_with_an_x(tmp_path: Path) -> None:
    path = written(tmp_path, "credentials: c\nvideo: {size: 640x480}")
    assert load_settings(path).video.size == Size(width=640, height=480)


def test_the_uplink_has_no_bound_unless_one_is_named(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "credentials: c")).sending.uplink_max_bps is None
    text = "credentials: c\nsending: {uplink_max_bps: 4_000_000}"
    assert load_settings(written(tmp_path, text)).sending.uplink_max_bps == 4_000_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("video: {bitrate_bps: 5_000_000}", "2:22: video.bitrate_bps: is above max_bitrate_bps"),
        ("video: {max_bitrate_bps: 100000}", "2:8: video.bitrate_bps: is above max_bitrate_bps"),
        ("video: {fps: 61}", "expected 1 to 60 frames per second, got 61"),
        (
            "sending: {uplink_max_bps: 99999}",
            "expected 100000 to 1000000000 bit/s, got 99999",
        ),
        ("max_viewers: 0", "expected 1 to 64 viewers, got 0"),
        ("source: {kind: camera}", "expected one of pattern, film, picamera, usb, rtsp"),
        ("source: {kind: film}", "source.path: is missing"),
        ("log: {level: verbose}", "expected one of debug, info, warning, error"),
        ("log: {level: INFO}", "did you mean 'info'?"),
        ("bitrate_bps: 1", "does not belong here but below 'video'"),
    ],
)
def test_mistake_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(written(tmp_path, f"credentials: c\n{text}\n"))
    assert told in str(caught.value)


TURN = "credentials: c.yaml\nice: {{servers: [{{urls: [{urls}]{account}}}]}}\n"


def test_servers_are_read_with_their_passwords(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("secret\n")
    (tmp_path / "p").chmod(0o600)
    text = TURN.format(urls='"stun:a", "turn:a"', account=", username: u, credential_file: p")
    settings = load_settings(written(tmp_path, text))
    (server,) = read_servers(settings)
    assert isinstance(server, IceServer)
    assert server.urls == ("stun:a:3478", "turn:a:3478")
    assert (server.username, server.credential) == ("u", "secret")
    assert "secret" not in repr(server)


def test_a_stun_server_needs_no_account(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TURN.format(urls='"stun:a"', account="")))
    assert read_servers(settings) == (IceServer(urls=("stun:a:3478",)),)


def test_a_server_with_a_shared_secret_wants_no_account(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("north\n")
    (tmp_path / "s").chmod(0o600)
    text = TURN.format(urls='"turn:a"', account=", shared_secret_file: s, validity_s: 600")
    servers = read_servers(load_settings(written(tmp_path, text)))
    assert servers == (SharedSecret(urls=("turn:a:3478",), secret="north", validity_s=600),)
    assert secrets_of(servers) == ["north"]


def test_the_relay_beside_the_broker_comes_with_the_credentials(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, TURN.format(urls='"stun:a"', account="")))
    credentials = Credentials(
        kind="device", name="front", broker=("mqtts://a",), turn=("turn:b",), turn_secret="north"
    )
    own, relay = read_servers(settings, credentials)
    assert own == IceServer(urls=("stun:a:3478",))
    assert relay == SharedSecret(urls=("turn:b",), secret="north", validity_s=3600)


@pytest.mark.parametrize(
    ("urls", "account", "why"),
    [
        ('"turn:a"', "", "username: is missing"),
        ('"turn:a"', ", username: u", "credential_file: is missing"),
        ('"stuns:a"', "", "write stun:"),
        ('"a"', "", "expected a server such as"),
        ("", "", "expected 1 to 8"),
        ('"turn:a"', ", username: u, credential: p", "did you mean 'credential_file'"),
        ('"turn:a"', ", username: u, shared_secret_file: s", "leave username"),
        ('"turn:a"', ", shared_secret_file: s, validity_s: 59", "expected 60 to 86_?400 seconds"),
    ],
)
def test_a_server_that_cannot_be_asked_is_told(
    tmp_path: Path, urls: str, account: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        load_settings(written(tmp_path, TURN.format(urls=urls, account=account)))


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [(None, 0, "does not exist"), ("p", 0o644, "chmod 600"), ("a\nb\n", 0o600, "one line")],
)
def test_a_password_file_that_cannot_be_used_is_told(
    tmp_path: Path, content: str | None, mode: int, why: str
) -> None:
    if content is not None:
        (tmp_path / "p").write_text(content)
        (tmp_path / "p").chmod(mode)
    text = TURN.format(urls='"turn:a"', account=", username: u, credential_file: p")
    settings = load_settings(written(tmp_path, text))
    with pytest.raises(CredentialsError, match=why):
        read_servers(settings)
