"""How Sphinx builds the documentation: ``make docs``."""

import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from musicapi_async import __version__  # noqa: E402 - after the path

PROJECT = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = PROJECT["urls"].get("Repository")

project = PROJECT["name"]
author = copyright = "the musicapi-async authors"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton", "reference_pages"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "top_of_page_buttons": [],
    "footer_icons": [{"name": "Repository", "url": REPOSITORY, "html": "Repository", "class": ""}]
    if REPOSITORY
    else [],
}

LATER = ("testing", "machines", "storage")


def setup(app: "Sphinx") -> None:
    """Leave out of the table of contents the pages that are not there yet."""
    missing = {f"\n{name}\n" for name in LATER if not (HERE / f"{name}.md").exists()}

    def leave_out(_: "Sphinx", docname: str, source: list[str]) -> None:
        for line in missing if docname == "index" else ():
            source[0] = source[0].replace(line, "\n")

    app.connect("source-read", leave_out)
