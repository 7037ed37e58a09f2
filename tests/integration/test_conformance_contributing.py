"""The source that CONTRIBUTING.md shows is a whole one: it keeps what every source promises."""

from __future__ import annotations

import re
import textwrap
from types import ModuleType
from typing import TYPE_CHECKING

from support.tree import ROOT

if TYPE_CHECKING:
    from mqcam_device.conformance import SourceConformance

CODE = re.compile(r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL)


def shown() -> type[SourceConformance]:
    """Return the test class of the page's example."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    ((_, code),) = CODE.findall(page)
    module = ModuleType("snow")
    exec(compile(textwrap.dedent(code), "CONTRIBUTING.md", "exec"), vars(module))  # noqa: S102
    test: type[SourceConformance] = module.TestSnow
    return test


TestShown = shown()
