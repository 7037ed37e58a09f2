"""The words of the verbs about the camera: ``cameras``, ``controls``, ``snapshot``, ``selftest``.

It must not hold what they do. That is imported when one is meant, so that ``status`` answers at
once on a small machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

    from mqcam.commandline import Commands, Parser

SELFTEST_S: Final = 10.0


def add_verbs(verbs: Commands, common: Parser) -> None:
    """Add the verbs to the command line; ``options.act`` is what one does."""
    text = "list the cameras of this machine, and what to write to use one"
    found = _add(verbs, "cameras", text, common)
    found.set_defaults(act=_cameras)

    text = "what the running agent's camera can be set to; with NAME=VALUE set it, until a restart"
    controls = _add(verbs, "controls", text, common)
    controls.add_argument(
        "changes", nargs="*", metavar="NAME=VALUE", help="such as zoom=0.25,0.25,0.5,0.5"
    )
    controls.set_defaults(act=_controls)

    text = "save one picture of the running agent's camera: no viewer is needed to aim it"
    snapshot = _add(verbs, "snapshot", text, common)
    snapshot.add_argument("file", metavar="FILE", help="ends in .jpg; - is standard output")
    snapshot.set_defaults(act=_snapshot)

    text = "measure camera and machine for some seconds, and say what to change"
    selftest = _add(verbs, "selftest", text, common)
    selftest.add_argument(
        "--seconds",
        type=float,
        default=SELFTEST_S,
        metavar="N",
        help="how long, 2 to 60 (default: %(default)g)",
    )
    selftest.set_defaults(act=_selftest)


def _add(verbs: Commands, verb: str, text: str, *common: Parser) -> Parser:
    description = f"{text[0].upper()}{text[1:]}."
    parser = verbs.add_parser(verb, parents=common, help=text, description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _cameras(options: argparse.Namespace) -> int:
    from mqcam_device import cameras  # noqa: PLC0415 - only now

    return cameras.run(options)


def _controls(options: argparse.Namespace) -> int:
    from mqcam_device import controls  # noqa: PLC0415 - only now

    return controls.run(options)


def _snapshot(options: argparse.Namespace) -> int:
    from mqcam_device import snapshot  # noqa: PLC0415 - only now

    return snapshot.run(options)


def _selftest(options: argparse.Namespace) -> int:
    from mqcam_device.selftest import verb  # noqa: PLC0415 - only now

    return verb.run(options)
