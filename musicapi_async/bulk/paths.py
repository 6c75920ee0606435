"""The path or the address of a journal. No I/O."""

from pathlib import Path
from typing import Final, TypeGuard

from musicapi_async._arguments import is_address, usable_path
from musicapi_async._secrets import without_password
from musicapi_async.errors import InvalidRequestError

__all__ = ["is_database", "journal_path"]

SCHEMES: Final = ("postgresql://", "postgres://")
EXAMPLE: Final = "songs/journal.db"


def is_database(path: object) -> TypeGuard[str]:
    """Return whether a journal's path is the address of a database."""
    return isinstance(path, str) and path.startswith(SCHEMES)


def journal_path(path: object) -> Path:
    """Return the path of a journal's file; raises InvalidRequestError for an address, and for anything else."""
    if is_address(path):
        message = f"path is {without_password(path)!r}; a journal is a file, such as {EXAMPLE}, or postgresql://..."
        raise InvalidRequestError(message, "path", without_password(path), "the path of a file, or postgresql://...")
    return usable_path("path", path, f'name a file: "{EXAMPLE}"')
