"""An app that does nothing: Flower's runs want one. No site fetches it, and nothing executes it."""

from __future__ import annotations

from pathlib import Path

import flwr

_FILES = {
    "headstart_inert/__init__.py": '"""Nothing."""\n\napp = None\n',
    "LICENSE": "Apache-2.0, as Headstart itself.\n",
    "pyproject.toml": f"""[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "headstart-inert"
version = "1.0.0"
description = "Nothing: the operator's own process is the server, and sites run what they have installed"
license = {{ file = "LICENSE" }}
dependencies = ["flwr>={flwr.__version__}"]

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "headstart"
fab-format-version = 1
flwr-version-target = "{flwr.__version__}"

[tool.flwr.app.components]
serverapp = "headstart_inert:app"
clientapp = "headstart_inert:app"

[tool.flwr.app.config]
study = ""
arm = ""
""",
}


def write_inert_app(folder: Path) -> Path:
    """Write the app that does nothing.

    >>> import tempfile
    >>> sorted(path.name for path in write_inert_app(Path(tempfile.mkdtemp()) / "app").iterdir())
    ['LICENSE', 'headstart_inert', 'pyproject.toml']
    """
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
