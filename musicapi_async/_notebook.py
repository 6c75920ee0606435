"""A display in the cell of a notebook that is running, which can be updated. No I/O of its own."""

import sys
from contextvars import ContextVar
from importlib import import_module
from typing import Any, Final

__all__ = ["SILENT", "Display", "open_display"]

SILENT: Final = ContextVar("SILENT", default=False)
"""True in a wait that is a part of something with a display of its own."""


def open_display() -> "Display | None":
    """Return a new display; None where no notebook shows one: in a script, a terminal, or with ``SILENT``."""
    ipython = sys.modules.get("IPython")
    if ipython is None:
        return None
    shell = ipython.get_ipython()
    # The shell of a terminal has no kernel.
    return None if shell is None or getattr(shell, "kernel", None) is None or SILENT.get() else Display()


class Display:
    """One line of text in the output of a cell."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._text = ""

    def show(self, text: str) -> None:
        """Show a text in place of the last one; the first call must be made in the thread that runs the cell."""
        if text == self._text:
            return
        self._text = text
        line = _Line(text)
        if self._handle is None:
            self._handle = import_module("IPython.display").display(line, display_id=True)
        else:
            self._handle.update(line)


class _Line:
    """A line of text, in HTML and as plain text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        from html import escape  # noqa: PLC0415 - for notebooks alone

        return f"<div>{escape(self._text)}</div>"
