"""Fields and limits shared by operations of several families."""

from typing import Final, TypeVar

from musicapi_async._fields import text_field
from musicapi_async._operation import shared_fields
from musicapi_async._request import TaskRequest

__all__ = ["UPLOAD_SECONDS", "WEB", "Reported"]

R = TypeVar("R")

WEB: Final = ("http://", "https://")
UPLOAD_SECONDS: Final = 120.0
"""Minimum time limit of calls that fetch the user's audio, which take up to a minute."""


@shared_fields
class Reported(TaskRequest[R]):
    """A task whose end the service can report to a webhook."""

    webhook_url: str | None = text_field(
        default=None,
        max_length=1024,
        begins=("https://",),
        loopback=True,
        last=3,
        doc="URL to which the service reports the end of the task",
    )
    webhook_secret: str | None = text_field(
        default=None, secret=True, last=3, doc="secret with which the service signs its reports"
    )
