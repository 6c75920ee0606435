"""The checks of arguments that runs and workers share, in both packages; and the output that they name."""

import os
from collections.abc import AsyncIterable, Iterable, Sequence

from musicapi_async._arguments import is_amount, usable_path, wrong_argument
from musicapi_async._bounds import shown
from musicapi_async._client import MusicAPI
from musicapi_async._request import TaskRequest
from musicapi_async.bulk.journal import Journal
from musicapi_async.bulk.output import AddressOutput, FolderOutput, Output, StoreLimits, address_of
from musicapi_async.bulk.planning import Requests
from musicapi_async.errors import InvalidRequestError
from musicapi_async.media.caption_formats import CaptionFormat
from musicapi_async.media.saving import SaveOptions

__all__ = ["check_arguments", "checked_output"]


def check_arguments(*, is_client: bool, client: object, is_journal: bool, journal: object, requests: object) -> None:
    """Raise InvalidRequestError for a client, a journal or requests of a wrong type."""
    if not is_client:
        raise wrong_argument("client", client, "a MusicAPI of the same package")
    if not is_journal:
        raise wrong_argument("journal", journal, "a Journal of the same package", "bulk.open(path) returns one")
    if requests is not None and not isinstance(requests, (Iterable, AsyncIterable)):
        advice = "pass a list: [request]" if isinstance(requests, TaskRequest) else ""
        raise wrong_argument("requests", requests, "an iterable of requests", advice)


def checked_output(
    client: MusicAPI,
    journal: Journal,
    requests: Requests | None,
    *,
    out: str | os.PathLike[str] | None,
    outage: float,
    tags: bool,
    lyrics: Sequence[CaptionFormat],
) -> tuple[Output | None, SaveOptions]:
    """Return where the files of a run are written, None where none are, and how; the arguments are those of ``run``.

    Raises InvalidRequestError for a wrong one, MissingExtraError when the package that ``out`` or ``tags`` needs is not
    installed.
    """
    is_client, is_journal = isinstance(client, MusicAPI), hasattr(journal, "recall")
    check_arguments(is_client=is_client, client=client, is_journal=is_journal, journal=journal, requests=requests)
    _check_outage(outage)
    output = None if out is None else _output_of(out, client, journal, outage)
    options = SaveOptions.of(tags=tags, lyrics=lyrics)
    if output is None and (tags or lyrics):
        raise wrong_argument("out", out, "a folder where tags or lyrics are requested", 'name one: "songs/"')
    return output, options


def _output_of(out: str | os.PathLike[str], client: MusicAPI, journal: Journal, outage: float) -> Output:
    address = address_of(out)
    if address is None:
        return FolderOutput(usable_path("out", out, 'name a folder: "songs/"'))
    settings = client.settings
    limits = StoreLimits(connect=settings.connect_timeout, request=settings.timeout, retries=outage)
    return AddressOutput(address, journal.work_folder, limits)


def _check_outage(outage: object) -> None:
    if not is_amount(outage):
        message = f"outage is {shown(outage)}; it must be a number of seconds, at least 0"
        raise InvalidRequestError(message, "outage", outage, ">= 0")
