"""What needs Qt is left out where Qt cannot run; the end of the run says so."""

from __future__ import annotations

from support import screen

NEED_QT = ["test_fonts.py", "test_icons.py", "test_sidebar.py", "test_tile*.py", "test_window*.py"]

collect_ignore_glob = [] if screen.problem() is None else NEED_QT
