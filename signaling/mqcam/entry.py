"""Where the programs begin and end: Ctrl-C is quiet from the first moment to the last.

It must not load anything heavy before it guards, nor know what the programs do: it has their names.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILURE = 1
INTERRUPTED = 130
"""As in ``mqcam.exits``, which is not loaded yet when they may be needed; a test compares them."""


def broker() -> NoReturn:
    """Be ``mqcam-broker``."""
    run("mqcam_broker.cli")


def device() -> NoReturn:
    """Be ``mqcam-device``."""
    run("mqcam_device.cli")


def viewer() -> NoReturn:
    """Be ``mqcam-viewer``."""
    run("mqcam_viewer.cli")


def run(module: str) -> NoReturn:
    """Load ``module``, which may take a second, and end with what its ``main`` returns."""
    _end_at_once_when_interrupted()
    end_with(importlib.import_module(module).main)


def end_with(main: Callable[[], int]) -> NoReturn:
    """End the process with what ``main`` returns; nobody who goes away early gets a traceback."""
    _raise_when_interrupted()
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read us has enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILURE
    _end_at_once_when_interrupted()
    sys.exit(code)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process without a word meanwhile: for what is imported late."""
    _end_at_once_when_interrupted()
    try:
        yield
    finally:
        _raise_when_interrupted()


def _raise_when_interrupted() -> None:
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end_at_once_when_interrupted() -> None:
    # Not an exception: raised in a library that is just loading, it would be printed there.
    # Who started us with SIGINT ignored, as nohup does, wants it so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: object) -> NoReturn:
    os._exit(INTERRUPTED)
