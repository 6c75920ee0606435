"""The optional packages of the extra ``media``."""

import importlib.util

from musicapi_async.errors import MissingExtraError

__all__ = ["require"]


def require(package: str, needed_for: str) -> None:
    """Raise MissingExtraError when a package of the extra ``media`` is not installed, without importing it."""
    try:
        is_installed = importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules holds None for it
        is_installed = False
    if not is_installed:
        raise MissingExtraError(needed_for, package, "media")
