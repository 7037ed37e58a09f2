"""Configuration files are decoded strictly, and every mistake is told at once with its place."""
# No ``from __future__ import annotations``: mqcam.config reads these annotations at run time.

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqcam.config import REQUIRED, Matches, Range, Secret, Size, decode, defaults, load
from mqcam.errors import ConfigError, Problem


class Mood(enum.Enum):
    """A choice that is an Enum in the program."""

    CALM = "calm"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One variant of a tagged union."""

    kind: Literal["round"] = "round"
    radius_m: Annotated[float, Range(0.5, 10, "m")] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """The other variant, with a key that must be given."""

    kind: Literal["square"] = "square"
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lens:
    """A nested section with a rule that joins two keys."""

    near: int = 1
    far: int = 9

    def mistakes(self) -> Iterable[tuple[str, str]]:
        """Yield the rule's breach."""
        if self.near > self.far:
            yield "near", "is beyond far"


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """Every type that the decoder knows."""

    name: Annotated[str, Matches("[a-z]+", "small letters")]
    count: Annotated[int, Range(1, 60, "frames per second")] = 30
    ratio: float = 0.5
    loop: bool = True
    size: Size | None = None
    level: Literal["debug", "info"] = "info"
    mood: Mood = Mood.CALM
    tags: Annotated[tuple[str, ...], Range(0, 3, "tags")] = ()
    path: Path = Path("/run")
    shape: Round | Square = field(default_factory=Round)
    lens: Lens = field(default_factory=Lens)
    password: Annotated[str | None, Secret()] = None


def decoded(text: str) -> Everything:
    """Decode text that has no mistake."""
    return decode(text, Everything, file="x.yaml")


def problems(text: str | bytes) -> list[str]:
    """Return the lines of the error that text must cause."""
    with pytest.raises(ConfigError) as caught:
        decode(text, Everything, file="x.yaml")
    return str(caught.value).splitlines()


def problem(line: str) -> str:
    """Return the one problem of a line that follows a good first line."""
    (only,) = problems(f"name: a\n{line}\n")
    return only.removeprefix("x.yaml:")


def test_keys_left_out_have_their_defaults() -> None:
    assert decoded("name: a") == Everything(name="a")


def test_every_type_is_decoded() -> None:
    text = """
        name: front
        count: 1_0
        ratio: -1.5e1
        loop: no
        size: 640x480
        level: debug
        mood: off
        tags: [a, 'no']
        path: /tmp/x y
        shape: {kind: square, file: a.mp4}
        lens: {near: 2, far: 3}
        password: "0123"
    """
    assert decoded(text) == Everything(
        name="front",
        count=10,
        ratio=-15.0,
        loop=False,
        size=Size(width=640, height=480),
        level="debug",
        mood=Mood.OFF,
        tags=("a", "no"),
        path=Path("/tmp/x y"),  # noqa: S108 - never opened
        shape=Square(file=Path("a.mp4")),
        lens=Lens(near=2, far=3),
        password="0123",
    )


def test_null_is_none_where_none_is_allowed() -> None:
    assert decoded("name: a\nsize: null\npassword: ~\n").size is None


def test_section_without_keys_has_its_defaults() -> None:
    """All keys below ``lens:`` may be commented out."""
    assert decoded("name: a\nlens:\n").lens == Lens()


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "cuont: 3\nname: a\nratio: x\nname: b\ncount: 99\nlens: {far: []}\n"
    assert [each.split(": ")[0:2] for each in problems(text)] == [
        ["x.yaml:1:1", "cuont"],
        ["x.yaml:3:8", "ratio"],
        ["x.yaml:4:1", "name"],
        ["x.yaml:5:8", "count"],
        ["x.yaml:6:13", "lens.far"],
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("lop: true", "2:1: lop: unknown key; did you mean 'loop'?"),
        ("lens: {nera: 1}", "2:8: lens.nera: unknown key; did you mean 'near'?"),
        ("zzz: 1", "2:1: zzz: unknown key; known here: name, count, ratio, loop, size"),
        ("near: 2", "2:1: near: does not belong here but below 'lens'"),
        ("lens: {tags: []}", "2:8: lens.tags: does not belong here but at top"),
        ("name: b", "2:1: name: is written twice (first in line 1)"),
        ("count: fast", "2:8: count: expected a whole number of frames per second, got 'fast'"),
        ("count: 29.97", "2:8: count: expected a whole number of frames per second, got 29.97"),
        ("count: '30'", "without quotes, got the text '30'"),
        ("count: 010", "expected a whole number"),
        ("count: 1:30", "expected a whole number"),
        ("count: true", "expected a whole number"),
        ("count: 61", "out of range, expected 1 to 60 frames per second, got 61"),
        ("count:", "expected a whole number of frames per second, got nothing"),
        ("count: {a: 1}", "expected a whole number of frames per second, got keys with values"),
        ("ratio: .nan", "expected a number, got .nan"),
        ("ratio: 1e999", "expected a number"),
        ("loop: maybe", "expected true or false, got 'maybe'"),
        ("loop: 'true'", "expected true or false, got the text 'true'"),
        ("size: 1280*720", "expected a size such as 1280x720, got '1280*720'"),
        ("size: 9999x10", "expected a size from 64x64 to 4096x4096"),
        ("size: 641x480", "expected an even width and height"),
        ("level: inof", "expected one of debug, info (did you mean 'info'?), got 'inof'"),
        ("mood: on", "expected one of calm, off"),
        ("tags: a", "expected a list such as [a, b], got 'a'"),
        ("tags: [a, 7]", "2:11: tags[1]: expected a text; put it in quotes, got 7"),
        ("tags: [a, b, c, d]", "expected 0 to 3 tags, got 4"),
        ("path: 12", "expected a path; put it in quotes, got 12"),
        ("path: ''", "expected a path, got the text ''"),
        ('path: "a\\0b"', "without NUL"),
        ("shape: round", "expected keys with values, got 'round'"),
        ("shape: {}", "shape.kind: is missing; expected one of round, square"),
        ("shape: {kind: squar}", "expected one of round, square (did you mean 'square'?)"),
        ("shape: {kind: [square]}", "expected one of round, square, got a list"),
        ("shape: {kind: square}", "shape.file: is missing and has no default"),
        (
            "shape: {kind: round, file: a}",
            "shape.file: belongs to another kind; known here: kind, radius_m",
        ),
        ("shape: {radius_m: 0.1, kind: round}", "out of range, expected 0.5 to 10 m, got 0.1"),
        ("lens: [1, 2]", "expected keys with values, got a list"),
        ("lens: {near: 10}", "2:14: lens.near: is beyond far"),
        ("[a]: b", "expected a key, got a list"),
        ("? {a: b}", "expected a key, got keys with values"),
    ],
)
def test_mistake_is_told_with_its_place_and_a_way_out(line: str, told: str) -> None:
    assert told in problem(line)


def test_text_that_yaml_takes_for_something_else_wants_quotes() -> None:
    """A camera called ``no`` would be called False otherwise."""
    assert problems("name: no") == ["x.yaml:1:7: name: expected a text; put it in quotes, got 'no'"]


def test_text_must_match_its_pattern() -> None:
    assert problems("name: A1") == ["x.yaml:1:7: name: expected small letters, got 'A1'"]


def test_missing_key_is_told() -> None:
    assert problems("count: 3") == ["x.yaml:1:1: name: is missing and has no default"]


@pytest.mark.parametrize(
    "written", ["[s3cret]", "12345", "*s3cret", "!s3cret!x y", "'s3cret", "a: s3cret: b", "{s3cret"]
)
def test_secret_is_never_shown(written: str) -> None:
    told = "\n".join(problems(f"name: a\npassword: {written}\n"))
    assert "s3cret" not in told
    assert "12345" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "x.yaml: is empty"),
        ("# nothing\n", "x.yaml: is empty"),
        ("- a", "1:1: expected keys with values, got a list"),
        ("just text", "1:1: expected keys with values, got 'just text'"),
        ("name: a\nlens:\n\tnear: 1\n", "3:1: (YAML): the line is indented with a tab"),
        ("name: a: b", "1:8: (YAML): mapping values are not allowed here; a value that contains"),
        ("name: 'a\n", "(YAML): found unexpected end of stream"),
        ("name: a\n--- \nname: b\n", "one file holds one document"),
        ("name: &x a\npath: *x\n", "2:7: (YAML): aliases are not used here"),
        ("a: &a [*a]", "(YAML): aliases are not used here"),
        ("a: " + "[" * 5000, "(YAML): is nested deeper than 16 levels"),
        ("name: a\nb: \x01", "2:4: (YAML): holds a control character"),
        ('name: "\\UFFFFFFFF"', "(YAML): holds an escape or a number"),
        ("%YAML 1." + "9" * 5000 + "\n---\nname: a", "(YAML): holds an escape or a number"),
        ('name: "\\ud800"', "1:7: name: expected a text without NUL or half characters"),
        ("name: !!python/object:os.system a", "name: expected a text"),
    ],
)
def test_broken_yaml_is_told_with_its_place(text: str, told: str) -> None:
    assert told in problems(text)[0]


def test_text_that_is_not_utf8_is_told_with_its_place() -> None:
    assert problems(b"name: a\npath: \xff\n") == [
        "x.yaml:2:7: is not UTF-8 text; save the file as UTF-8"
    ]


def test_byte_order_mark_is_accepted() -> None:
    assert decode(b"\xef\xbb\xbfname: a", Everything, file="x.yaml").name == "a"


def test_number_of_problems_is_bounded() -> None:
    text = "name: a\n" + "".join(f"key{number}: 1\n" for number in range(2000))
    assert len(problems(text)) == 100


@pytest.mark.parametrize("missing", ["none.yaml", "folder", "a\0b", "x.yaml/y"])
def test_file_that_cannot_be_read_is_a_config_error(tmp_path: Path, missing: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.yaml").write_text("name: a")
    with pytest.raises(ConfigError, match=r": (does not exist|is a folder)"):
        load(tmp_path / missing, Everything)


def test_huge_file_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"#" * 100_000)
    with pytest.raises(ConfigError, match="is bigger than"):
        load(tmp_path / "x.yaml", Everything)


def test_file_is_named_as_the_user_named_it(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("name: 7")
    with pytest.raises(ConfigError) as caught:
        load(str(path), Everything)
    assert caught.value.problems[0].file == str(path)


def test_defaults_lists_every_key() -> None:
    flat = defaults(Everything)
    assert flat["name"] is REQUIRED
    assert flat["lens.far"] == 9
    assert flat["shape.kind"] == "round"
    assert flat["size"] is None
    assert len(flat) == 14


YAML_PIECES = st.sampled_from(
    [
        *"{}[]:,-?&*!|>'\"%@`#~ \n\t",
        *("name", "count", "shape", "kind", "lens", "round", "no", "1", "1e5"),
        *(": ", "\n  ", "- ", "&a", "*a", "<<", "!!int", "---", "...", "\\U", "\x85", "\ufeff"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.binary(), st.lists(YAML_PIECES, max_size=40).map("".join)))
def test_nothing_but_config_error_comes_out(content: str | bytes) -> None:
    told: tuple[Problem, ...] = ()
    made = None
    try:
        made = decode(content, Everything, file="x.yaml")
    except ConfigError as error:
        told = error.problems
    assert bool(told) != isinstance(made, Everything)
    assert all(str(each).encode().count(b"\n") == 0 for each in told)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["name", "lens", "near", "shape", "kind"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_tree_under_any_key_causes_only_config_error(tree: object) -> None:
    import yaml  # noqa: PLC0415 - only to write the tree down

    text = yaml.safe_dump({"name": "a", "shape": tree, "lens": tree, "tags": tree})
    with pytest.raises(ConfigError):
        decode(text, Everything, file="x.yaml")
