"""The optional packages of the extras."""

import importlib.util

from musicapi_async.errors import MissingExtraError

__all__ = ["require"]


def require(package: str, needed_for: str, extra: str = "media") -> None:
    """Raise MissingExtraError when a package of an extra is not installed, without importing it."""
    try:
        is_installed = importlib.util.find_spec(package) is not None
    except ValueError:  # sys.modules holds None for it
        is_installed = False
    if not is_installed:
        raise MissingExtraError(needed_for, package, extra)
