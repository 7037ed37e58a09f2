from __future__ import annotations

import os
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from av.video.frame import VideoFrame
from mqcam.errors import SourceError
from mqcam_device.media import BT601, BT709, SourceSettings
from mqcam_device.sources.film import Film
from mqcam_device.sources.raw import matrix_of
from mqcam_device.sources.selection import make_source
from support.films import grey_picture, make_audio_only, make_film

if TYPE_CHECKING:
    from pathlib import Path

NS = 1_000_000_000


def shade(frame: VideoFrame) -> int:
    """Return the luma of a picture's lower right part."""
    luma = frame.planes[0]
    line = frame.height * 3 // 4
    return memoryview(luma)[line * luma.line_size + frame.width * 3 // 4]


def play(
    path: Path,
    count: int,
    *,
    size: tuple[int, int] | tuple[None, None] = (None, None),
    fps: float = 30,
) -> list[tuple[int, int, VideoFrame]]:
    """Return each picture with its time in ms and its shade."""
    with closing(Film(str(path), width=size[0], height=size[1], fps=fps)) as film:
        film.open()
        film.begin(NS)
        now_ns = NS
        shown = []
        for _ in range(count):
            now_ns = max(now_ns, film.due_ns(now_ns))
            frame = film.read(now_ns)
            shown.append((round((now_ns - NS) / 1e6), shade(frame), frame))
        return shown


def test_pictures_keep_their_pace_and_order_with_b_frames(tmp_path: Path) -> None:
    shown = play(make_film(tmp_path / "film.mp4", b_frames=2), 25)
    assert [at for at, _, _ in shown] == list(range(0, 1000, 40))
    assert [value for _, value, _ in shown] == sorted(value for _, value, _ in shown)


def test_the_film_begins_again_without_a_gap(tmp_path: Path) -> None:
    shown = play(make_film(tmp_path / "film.mp4", at_ms=range(0, 200, 40)), 12)
    assert [at for at, _, _ in shown] == list(range(0, 480, 40))
    assert shown[5][1] == shown[0][1]


def test_uneven_timestamps_are_kept(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mkv", at_ms=[0, 40, 120, 160, 290, 330])
    assert [at for at, _, _ in play(path, 6)] == [0, 40, 120, 160, 290, 330]


def test_a_picture_that_stands_long_is_shown_again(tmp_path: Path) -> None:
    """Silence of a source always means a fault, so a still film must not be silent."""
    path = make_film(tmp_path / "film.mkv", at_ms=[0, 40, 900])
    assert [at for at, _, _ in play(path, 6)] == [0, 40, 290, 540, 790, 900]


def test_a_fast_film_is_thinned_to_the_cap(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", at_ms=[round(i * 1000 / 60) for i in range(60)])
    shown = play(path, 61, fps=30)
    assert shown[60][0] == pytest.approx(2000, abs=20)


def test_a_lower_cap_applies_while_the_film_runs(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4")
    with closing(Film(str(path), width=None, height=None, fps=30)) as film:
        assert film.open().fps_max == 25
        assert film.set_framerate(5).fps_max == 5
        film.begin(0)
        times: list[int] = []
        for _ in range(5):
            times.append(film.due_ns(times[-1] if times else 0))
            film.read(times[-1])
    assert times[4] - times[1] == pytest.approx(600_000_000, abs=1000)


def test_a_pause_does_not_make_the_film_hurry(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4")
    with closing(Film(str(path), width=None, height=None, fps=30)) as film:
        film.open()
        film.begin(0)
        film.read(film.due_ns(0))
        assert film.due_ns(0) == 40_000_000
        film.begin(60 * NS)
        assert film.due_ns(60 * NS) == 60 * NS
        film.read(60 * NS)
        assert film.due_ns(60 * NS) == 60 * NS + 40_000_000


def test_a_machine_that_is_too_slow_plays_slowly(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4")
    with closing(Film(str(path), width=None, height=None, fps=30)) as film:
        film.open()
        film.begin(0)
        assert film.due_ns(5 * NS) == 5 * NS


def test_an_odd_full_range_film_becomes_even_and_video_range(tmp_path: Path) -> None:
    path = make_film(
        tmp_path / "film.avi", width=161, height=121, codec="mjpeg", pixel_format="yuvj420p"
    )
    (_, value, frame), *_ = play(path, 1)
    assert (frame.width, frame.height, frame.format.name) == (160, 120, "yuv420p")
    assert value == pytest.approx(16 + 40 * 219 / 255, abs=2)


def test_a_film_is_fitted_into_another_shape_between_bars(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", width=320, height=240)
    (_, value, frame), *_ = play(path, 1, size=(640, 240))
    assert (frame.width, frame.height) == (640, 240)
    luma = frame.planes[0]
    middle = 200 * luma.line_size
    assert memoryview(luma)[middle + 20] == memoryview(luma)[middle + 620] == 16
    assert memoryview(luma)[middle + 320] == 40
    assert value in {16, 40}


def test_a_film_keeps_its_colours_at_another_size(tmp_path: Path) -> None:
    """A large film that does not say them is BT.709, however small its pictures are sent."""
    path = make_film(tmp_path / "film.mp4", width=1280, height=720)
    (_, _, fitted), *_ = play(path, 1, size=(320, 180))
    (_, _, natural), *_ = play(make_film(tmp_path / "small.mp4"), 1)
    assert (matrix_of(fitted), matrix_of(natural)) == (BT709, BT601)


def test_wide_dots_are_made_square(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", dot_aspect=Fraction(2))
    (_, _, frame), *_ = play(path, 1)
    assert (frame.width, frame.height) == (640, 240)


@pytest.mark.skipif(not hasattr(VideoFrame, "rotation"), reason="this PyAV does not tell the turn")
def test_a_film_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    """MP4 keeps the turn as a matrix in the track header; it is patched in here."""
    path = make_film(tmp_path / "film.mp4", width=320, height=240)
    data = path.read_bytes()
    identity = bytes.fromhex("00010000 00000000 00000000 00000000 00010000 00000000")
    quarter = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000 00000000")
    at = data.index(b"tkhd") + 44
    assert data[at : at + 24] == identity
    path.write_bytes(data[:at] + quarter + data[at + 24 :])
    (_, _, frame), *_ = play(path, 1)
    assert (frame.width, frame.height) == (240, 320)
    luma = frame.planes[0]
    quarters = [
        memoryview(luma)[(frame.height * y // 4) * luma.line_size + frame.width * x // 4]
        for y in (1, 3)
        for x in (1, 3)
    ]
    assert [value < 30 for value in quarters] == [False, True, False, False]


def test_a_film_with_a_damaged_end_plays_what_is_left(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mkv")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    shown = play(path, 60)
    assert len({value for _, value, _ in shown}) > 5


def test_a_file_that_vanishes_is_told_at_the_next_round(tmp_path: Path) -> None:
    path = make_film(tmp_path / "film.mp4", at_ms=[0, 40])
    with closing(Film(str(path), width=None, height=None, fps=30)) as film:
        film.open()
        path.unlink()
        film.begin(0)
        film.read(film.due_ns(0))
        film.read(film.due_ns(NS // 10))
        with pytest.raises(SourceError, match="no such file"):
            film.due_ns(NS // 5)


def open_film(path: Path) -> None:
    with closing(Film(str(path), width=None, height=None, fps=30)) as film:
        film.open()


def test_what_is_no_film_is_refused_with_a_sentence(tmp_path: Path) -> None:
    garbage, empty, fifo = tmp_path / "garbage.mp4", tmp_path / "empty.mp4", tmp_path / "fifo"
    garbage.write_bytes(b"no film at all" * 500)
    empty.write_bytes(b"")
    os.mkfifo(fifo)
    for path, sentence in (
        (tmp_path / "none.mp4", "there is no such file"),
        (tmp_path, "this is a directory"),
        (garbage, "not a media file"),
        (empty, "not a media file"),
        (fifo, "not a regular file"),
        (make_audio_only(tmp_path / "sound.wav"), "no video"),
    ):
        with pytest.raises(SourceError, match=sentence) as caught:
            open_film(path)
        assert str(path) in str(caught.value)


def test_a_file_that_may_not_be_read_is_refused_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_film(tmp_path / "film.mp4")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("av.open", refuse)  # root may read everything
    with pytest.raises(SourceError, match="may not read"):
        open_film(path)


@pytest.mark.parametrize(
    "settings",
    [
        SourceSettings(width=321, height=240),
        SourceSettings(width=320, height=0),
        SourceSettings(width=10_000, height=240),
        SourceSettings(kind="film"),
    ],
)
def test_settings_that_no_source_can_have_are_refused(settings: SourceSettings) -> None:
    with pytest.raises(SourceError):
        make_source(settings)


def test_a_grey_picture_is_what_the_films_are_made_of() -> None:
    assert shade(grey_picture(32, 32, 77)) == 77
