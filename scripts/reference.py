"""Write the reference tables of the documentation's pages anew; with --check, fail where one has fallen behind."""

from __future__ import annotations

import sys
from pathlib import Path

from headstart.cli.reference.markdown import filled

DOCS = Path(__file__).parents[1] / "docs"


def stale() -> list[Path]:
    """Return the pages whose tables are not what the code declares."""
    return [page for page in sorted(DOCS.glob("*.md")) if filled(text := page.read_text()) != text]


if __name__ == "__main__":
    pages = stale()
    if "--check" not in sys.argv:
        for page in pages:
            page.write_text(filled(page.read_text()))
    elif pages:
        sys.exit(f"reference tables have fallen behind in {', '.join(p.name for p in pages)}; run scripts/reference.py")
