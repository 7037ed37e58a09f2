"""A network camera that wants an account, or refuses: what it is told, and what people are."""

from __future__ import annotations

import ssl
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mqcam.errors import SourceError
from mqcam_device.sources.feed import Bell
from mqcam_device.sources.rtsp.feed import RtspFeed
from mqcam_device.sources.selection import make_source
from support.certificates import Authority
from support.clips import encode
from support.rtsp_server import RtspServer, Stream, Wishes
from support.rtsp_sources import camera, settings_for, source_for
from support.watched import Watched, watched

if TYPE_CHECKING:
    from pathlib import Path

    from mqcam_device.media import SourceSettings

CANARY = 'p4ss:w@rd/ä"\\'


@pytest.fixture(scope="module")
def clip() -> list[bytes]:
    return encode(15)


def refusal(settings: SourceSettings) -> str:
    """Return the sentence with which a source does not start; no thread is left."""
    with pytest.raises(SourceError) as caught:
        Watched(make_source(settings))
    assert "source" not in {thread.name for thread in threading.enumerate()}
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["digest", "digest-old", "digest-sha256", "basic"])
def test_account_is_told_as_the_camera_wants_it(scheme: str, clip: list[bytes]) -> None:
    wishes = Wishes(account=("jo", CANARY), scheme=scheme)
    with (
        camera(Stream(clip), wishes) as server,
        watched(source_for(server, username="jo", password=CANARY)) as subject,
    ):
        subject.source.resume()
        assert subject.unit().keyframe


def test_nothing_tells_the_account(
    clip: list[bytes], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    wishes = Wishes(account=("jo", "another"))
    with camera(Stream(clip), wishes) as server:
        settings = settings_for(server, username="jo", password=CANARY)
        said = [refusal(settings), repr(settings), repr(make_source(settings))]
        wishes.account = ("jo", CANARY)
        with watched(make_source(settings)) as subject:
            wishes.account = ("jo", "changed")
            server.hang_up()
            while "it refuses the account" not in said[-1]:
                said.append(repr(subject.state()))

    printed = capfd.readouterr()
    for text in (*said, caplog.text, printed.out, printed.err, *server.heads):
        assert CANARY not in text
        assert "p4ss" not in text


@pytest.mark.parametrize(
    ("method", "status", "words"),
    [
        ("DESCRIBE", 404, "it has no such stream: check the path in 'url'"),
        ("SETUP", 461, "turn on RTSP over TCP in the camera"),
        ("SETUP", 453, "no room for one more viewer"),
        ("PLAY", 500, "it answers PLAY with 500"),
        ("DESCRIBE", 302, "the stream has moved"),
    ],
)
def test_camera_that_refuses_is_quoted_with_what_to_do(
    method: str, status: int, words: str, clip: list[bytes]
) -> None:
    with camera(Stream(clip), Wishes(status={method: status})) as server:
        said = refusal(settings_for(server))

    assert words in said
    assert said.startswith(f"127.0.0.1:{server.port}: ")
    assert "stream1" not in said  # some cameras' addresses hold their accounts


def test_other_faults_are_told_too(clip: list[bytes]) -> None:
    with camera(Stream(clip), Wishes(account=("jo", "x"))) as server:
        assert "it wants an account: set 'username' and 'password_file'" in refusal(
            settings_for(server)
        )
    assert "nothing listens there" in refusal(settings_for(server))
    with camera(Stream(clip, codec="H265")) as server:
        assert "set this stream to H.264 in the camera" in refusal(settings_for(server))


@pytest.mark.parametrize("method", ["DESCRIBE", "SETUP", "PLAY"])
def test_camera_that_does_not_answer_is_given_up(method: str, clip: list[bytes]) -> None:
    with camera(Stream(clip), Wishes(silent={method})) as server:
        feed, bell = RtspFeed(server.url, username="", password="", answer_s=0.2), Bell()
        bell.open()
        with pytest.raises(SourceError, match=f"it does not answer {method}"):
            feed.open(bell)
        feed.close()
        bell.close()


def test_encrypted_connection_needs_no_certificate_that_anybody_knows(
    clip: list[bytes], tmp_path: Path
) -> None:
    issued = Authority().issue("camera")
    chain, key = tmp_path / "chain", tmp_path / "key"
    chain.write_text(issued.certificate_pem)
    key.write_text(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = RtspServer(Stream(clip), tls=context)
    try:
        with watched(source_for(server)) as subject:
            subject.source.resume()
            assert subject.unit().keyframe
            assert [subject.unit() for _ in range(20)]
        plain = replace(settings_for(server), url=server.url.replace("rtsps", "rtsp"))
        assert "127.0.0.1" in refusal(plain)
    finally:
        server.stop()
