"""Write ``docs/inputs.md``: what each command makes of folders and files as people have them, from ``tests/corpus``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "inputs.md"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests" / "corpus"))
    from table import page

    PAGE.write_text(page(), encoding="utf-8")
