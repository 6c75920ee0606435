"""The documentation site builds without a warning, and can be searched and read on a phone, by day and by night."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browser import DESKTOP, PHONE, Page, launched, needs_browser, until
from code_blocks import ROOT

pytestmark = [
    needs_browser,
    pytest.mark.skipif(find_spec("sphinx") is None, reason="no Sphinx: make docs"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-n", "--quiet", str(ROOT / "docs"), str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


def background(page: Page) -> int:
    """Return the brightness of a page, from 0 to 765."""
    color: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, color.removeprefix("rgb(").removesuffix(")").split(",")))


def test_site_fits_a_phone_and_is_dark_at_night(site: Path, chromium: Any) -> None:
    phone = chromium.new_page(viewport=PHONE, color_scheme="dark")
    pages = sorted(site.rglob("*.html"))
    too_wide = []
    for path in pages:
        phone.goto(path.as_uri())
        assert background(phone) < 150
        if phone.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            too_wide.append(path.name)

    assert too_wide == []
    assert {"quickstart.html", "money.html", "sonic.html", "errors.html"} <= {path.name for path in pages}


def test_site_search_finds_an_operation_by_its_name(site: Path, chromium: Any) -> None:
    desktop = chromium.new_page(viewport=DESKTOP, color_scheme="light")
    desktop.goto(f"{(site / 'search.html').as_uri()}?q=remaster")
    until(desktop, "document.querySelectorAll('#search-results li a').length > 0")

    assert background(desktop) > 700
    links = desktop.evaluate("[...document.querySelectorAll('#search-results li a')].map(one => one.textContent)")
    assert any("sonic.remaster" in link for link in links)
