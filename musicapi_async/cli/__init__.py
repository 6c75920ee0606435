"""The ``musicapi`` command.

- ``app.py`` defines the command line (``arguments.py`` its options), ``bulk/`` all of ``musicapi bulk``; ``running.py``
  runs a command, ``exits.py`` explains its end
- ``task.py`` one task, submitted or resumed; ``files.py`` its files
- ``webhooks.py`` its command line, ``listening.py`` the events that reach this machine; ``serving.py`` the server that
  receives them
- ``doctor.py`` checks of this machine and the account
- ``help.py`` the help of all commands; ``exit_codes.py`` and ``choices.py`` what it lists
- ``screen.py`` output; ``progress.py`` what is shown meanwhile, ``board.py`` on a terminal
"""

import os
import signal
import sys
from typing import Final

from musicapi_async._version import VERSION
from musicapi_async.cli.exit_codes import STOPPED

__all__ = ["VERSION_TEXT", "main"]

VERSION_TEXT: Final = f"musicapi-async {VERSION}"
EXTRA_PACKAGES: Final = frozenset({"rich", "typer"})


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    if sys.argv[1:] == ["--version"]:  # without the parser, which takes many times as long
        sys.stdout.write(f"{VERSION_TEXT}\n")
        return 0
    # An ignored signal stays ignored, as in the background of a shell.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        # Until a command handles it itself, nothing is in flight. An exception would leave a traceback, or be lost in
        # what is being imported.
        signal.signal(signal.SIGINT, lambda *_: os._exit(STOPPED))
    try:
        return _run()
    finally:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _run() -> int:
    try:
        import rich  # noqa: F401, PLC0415 - the extra; the command itself loads it only where it draws

        from musicapi_async.cli.app import run  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        name = str(missing.name).partition(".")[0]
        if name not in EXTRA_PACKAGES:
            raise
        sys.stderr.write(f"musicapi: {name} is not installed; install it with: pip install 'musicapi-async[cli]'\n")
        return 1
    return run(sys.argv[1:])
