"""A page in headless Chromium: what its script makes of it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


def dom_of(page: Path, profile: Path) -> str:
    """Return the document as it stands after the script ran."""
    assert CHROMIUM is not None
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--virtual-time-budget=5000",
    ]
    done = subprocess.run(
        [CHROMIUM, *options, "--dump-dom", page.as_uri()], capture_output=True, check=True, timeout=240
    )
    return done.stdout.decode()


def ran(page: str, test: str, folder: Path) -> str:
    """Run a script of a test after a page's own, and return what it leaves in the element ``found``."""
    free = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    path = folder / "page.html"
    path.write_text(free.replace("</body>", f'<pre id="found"></pre><script>{test}</script></body>'), encoding="utf-8")
    found = re.search(r'<pre id="found">(.*?)</pre>', dom_of(path, folder / "profile"), re.DOTALL)
    assert found
    return html.unescape(found[1])
