"""Chromium, for tests of HTML pages."""

import os
import shutil
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["DESKTOP", "PHONE", "Page", "launched", "needs_browser", "press_until", "until", "write_silence"]

PROGRAM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DESKTOP: Final = {"width": 1280, "height": 900}
PHONE: Final = {"width": 390, "height": 844}
WAIT: Final = 30.0

Page = Any
"""Playwright's; it may not be installed."""

needs_browser: Final = pytest.mark.skipif(
    PROGRAM is None or find_spec("playwright") is None, reason="no Chromium: apt-get install chromium"
)


@contextmanager
def launched() -> Iterator[Any]:
    """Start the browser. While it is open, this thread can run no other event loop."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - it may not be installed

    # Chromium does not sandbox itself for root.
    arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=PROGRAM, args=arguments)
        yield chromium
        chromium.close()


def until(page: Page, expression: str) -> None:
    """Wait until a script returns true; Playwright's own way needs eval, which the pages forbid."""
    deadline = time.monotonic() + WAIT
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def press_until(page: Page, key: str, expression: str) -> None:
    """Press a key again until a script returns true: a scroll that still runs may undo what the key does."""
    deadline = time.monotonic() + WAIT
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.keyboard.press(key)
        page.wait_for_timeout(50)


def write_silence(path: Path, seconds: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000 * seconds)
