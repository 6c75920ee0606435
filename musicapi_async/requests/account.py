"""The account.

Source: https://docs.musicapi.ai/get-credits, ``GET /get-credits``.
"""

from typing import Final

from musicapi_async._operation import operation
from musicapi_async._request import GET, Request
from musicapi_async.requests._family import Family, calls
from musicapi_async.results import Credits

__all__ = ["GetCredits"]


@operation(GET, "/get-credits", credits=0, as_of="2026-07-15", source="https://docs.musicapi.ai/get-credits")
class GetCredits(Request[Credits]):
    """Read the account's balance.

    Free.
    """


class Account(Family):
    """The account's balance."""

    credits: Final = calls(GetCredits)
