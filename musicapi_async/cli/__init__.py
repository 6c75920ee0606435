"""The ``musicapi`` command.

- ``app.py`` defines the command line, ``bulk/`` all of ``musicapi bulk``; ``running.py`` runs a command, ``exits.py``
  explains its end
- ``task.py`` one task, submitted or resumed; ``files.py`` its files
- ``webhooks.py`` the events that reach this machine; ``serving.py`` the server that receives them
- ``doctor.py`` checks of this machine and the account
- ``screen.py`` output; ``progress.py`` what is shown meanwhile
"""

import sys
from typing import Final

__all__ = ["main"]

EXTRA_PACKAGES: Final = frozenset({"rich", "typer"})


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    try:
        from musicapi_async.cli.app import run  # noqa: PLC0415 - it needs the extra
    except ModuleNotFoundError as missing:
        name = str(missing.name).partition(".")[0]
        if name not in EXTRA_PACKAGES:
            raise
        sys.stderr.write(f"musicapi: {name} is not installed; install it with: pip install 'musicapi-async[cli]'\n")
        return 1
    return run(sys.argv[1:])
