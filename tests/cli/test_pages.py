from __future__ import annotations

import webbrowser
from pathlib import Path

import pytest

from headstart.cli.pages import Pages
from report.answered import write_answered


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that a browser was asked to open, on a machine that has one."""
    found: list[str] = []
    monkeypatch.setenv("BROWSER", "true")
    monkeypatch.setattr(webbrowser, "open", lambda address: bool(found.append(address)) or True)
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_answered(tmp_path / "a run", "only")


def test_the_first_page_alone_is_opened_by_its_file_address(opened: list[str], folder: Path) -> None:
    pages = Pages(pytest.fail, opens=True)
    pages(folder)
    pages(folder)
    assert opened == [(folder / "report.html").as_uri()]
    assert opened[0].startswith("file:///")
    assert "a%20run/report.html" in opened[0]


def test_nothing_is_opened_unless_asked(opened: list[str], folder: Path) -> None:
    Pages(pytest.fail, opens=False)(folder)
    assert (opened, (folder / "report.html").exists()) == ([], True)


@pytest.mark.parametrize("fault", [webbrowser.Error("none"), OSError("none"), None])
def test_without_a_browser_a_line_says_where_the_page_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception | None
) -> None:
    def refuse(address: str) -> bool:
        if fault:
            raise fault
        return False

    said: list[str] = []
    monkeypatch.setenv("BROWSER", "true")
    monkeypatch.setattr(webbrowser, "open", refuse)
    pages = Pages(said.append, opens=True)
    pages(folder)
    pages(folder)
    assert said == [f"no browser was found to open the page; it is {folder / 'report.html'}"]


def test_without_a_screen_no_browser_takes_the_terminal(
    opened: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    said: list[str] = []
    Pages(said.append, opens=True)(folder)
    assert (opened, len(said)) == ([], 1)
