"""The request classes, one module for each family of the service; each is loaded on first use.

A program uses one or two of them, and creating all request classes takes half as long as importing the HTTP library.
"""

from importlib import import_module
from typing import Any

from musicapi_async._families import FAMILIES
from musicapi_async._operation import known_operations
from musicapi_async._request import Request

__all__ = ["FAMILIES", "operations"]


def operations() -> tuple[type[Request[Any]], ...]:
    """Return the request class of every operation."""
    for name in FAMILIES:
        import_module(f"{__name__}.{name}")
    return known_operations()
