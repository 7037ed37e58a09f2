"""What mqcam reaches, beside stock aiortc in the same run: ``python -m bench`` from the checkout.

``docs/benchmarks.md`` says how to run it, what each line means and how to add one.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# The one place that does so: broker and agent are started by what the tests start them with,
# ``support.broker`` and ``support.agent``. Every process of a bench imports this package first.
sys.path.insert(0, str(ROOT / "tests"))
