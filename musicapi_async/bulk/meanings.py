"""What the states of a record mean, for people."""

from collections.abc import Mapping
from typing import Final

from musicapi_async.bulk.records import State

__all__ = ["MEANINGS"]

MEANINGS: Final[Mapping[State, str]] = {
    "planned": "not sent yet",
    "sending": "being sent now, or interrupted while it was sent",
    "accepted": "accepted and paid for; the service is making it",
    "finished": "finished; not all of its files are saved yet",
    "saved": "finished; its files are saved",
    "failed": "failed, or abandoned by you; its credits may be lost",
    "refunded": "failed; its credits were refunded",
    "uncertain": "it may or may not have been accepted and charged",
    "refused": "not accepted; nothing was charged",
}
