"""The title of this process: other users of the machine see its arguments, among them an address with a password."""

import shlex
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from musicapi_async._secrets import without_password

__all__ = ["hide_passwords"]

ADVICE: Final = (
    "an address with a password is on the command line, where other users of this machine see it; put it into the "
    "environment (MUSICAPI_JOURNAL), or install setproctitle, which hides it: pip install 'musicapi-async[cluster]'"
)


def hide_passwords(arguments: Sequence[str]) -> str | None:
    """Take the passwords of addresses out of the title of this process; return advice where that is not possible."""
    shown = [without_password(argument) for argument in arguments]
    if shown == list(arguments):
        return None
    try:
        set_title = import_module("setproctitle").setproctitle
    except ModuleNotFoundError:
        return ADVICE
    set_title(f"musicapi {shlex.join(shown)}")
    return None
