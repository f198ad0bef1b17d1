"""Documents that are written from the code are what the code writes today."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_atlas_is_up_to_date() -> None:
    script = runpy.run_path(str(DOCS / "write_variants.py"))
    assert script["page"]() == (DOCS / "variants.md").read_text(encoding="utf-8"), "run: python docs/write_variants.py"
