"""A Sphinx extension that writes the pages of the API reference from the classes, into ``docs/reference/``."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reference_pages.commands import commands_page
from reference_pages.failures import errors_page, retries_page
from reference_pages.objects import OBJECT_PAGES
from reference_pages.operations import FAMILIES, family_page, operation_table
from reference_pages.settings import settings_page

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config

__all__ = ["pages", "setup"]

INTRODUCTION: Final = """\
# Reference

Every operation, result, error, setting and command. These pages are generated from the classes themselves.

Each operation is a method of the client, `await client.sonic.create(lyrics=...)` (without `await` in `musicapi_sync`),
and a request value, `sonic.Create(lyrics=...)`, for `client.submit`, `client.call` and `client.run`. A method that
starts a task returns a `Submission`: await it for its `Task`, or use `await client.sonic.create(...).wait()` for the
result directly; in `musicapi_sync` the call returns the `Task`. A submission is a coroutine, but its method is a plain
function, for which `inspect.iscoroutinefunction` is False: wrap it in an `async def` for a framework that checks this.
A clip is given as a `Clip`, an `UploadedClip` or an id. Prices are those of the service's pages on the given date; your
balance is authoritative.

An endpoint that is not listed here yet can be called with `client.request("POST", "/sonic/new", json={...})`.

## Operations
"""
CONTENTS: Final = """
```{toctree}
:hidden:

%s
```
"""


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page."""
    objects = {"settings": settings_page, **OBJECT_PAGES, "errors": errors_page, "retries": retries_page}
    objects["commands"] = commands_page
    contents = CONTENTS % "\n".join([*FAMILIES, *objects])
    yield "index", f"{INTRODUCTION}\n{operation_table()}\n{contents}"
    yield from ((family, family_page(family)) for family in FAMILIES)
    yield from ((name, page()) for name, page in objects.items())


def write_pages(app: "Sphinx", _: "Config") -> None:
    """Write the pages that have changed, so that Sphinx reads only those again."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    written = dict(pages())
    for path in folder.glob("*.md"):
        if path.stem not in written:
            path.unlink()
    for name, text in written.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def setup(app: "Sphinx") -> dict[str, bool]:
    """Have the pages written before Sphinx lists the source files."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
