"""The ``musicapi`` command.

``app.py`` reads the command line, ``running.py`` runs what it asks for (``generate.py``, ``task.py``, ``serving.py``),
``ending.py`` puts in order what was opened, ``exits.py`` says how it ended; ``screen.py`` and ``progress.py`` show it,
``collect.py`` and ``files.py`` keep it.
"""

import sys
from typing import Final

__all__ = ["main"]

EXTRA: Final = frozenset({"rich", "typer"})


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    try:
        from musicapi_async.cli.app import run  # noqa: PLC0415 - it needs the extra
    except ModuleNotFoundError as missing:
        name = str(missing.name).partition(".")[0]
        if name not in EXTRA:
            raise
        sys.stderr.write(f"musicapi: {name} is not installed: pip install 'musicapi-async[cli]'\n")
        return 1
    return run(sys.argv[1:])
