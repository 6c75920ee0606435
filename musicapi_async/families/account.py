"""The account.

Contract: docs.musicapi.ai/get-credits, ``GET /get-credits``.
"""

from typing import Final

from musicapi_async._operation import GET, Request, operation
from musicapi_async.families._family import Family, calls
from musicapi_async.results import Credits

__all__ = ["GetCredits"]


@operation(GET, "/get-credits")
class GetCredits(Request[Credits]):
    """Read the account's balance; free."""


class Account(Family):
    """The account's balance."""

    credits: Final = calls(GetCredits)
