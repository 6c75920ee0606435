"""Helpers of the tests that run requests through a journal."""

from pathlib import Path
from typing import Any, Final

from musicapi_async import MusicAPI, TaskRequest, bulk, sonic
from musicapi_async.bulk import Outcome

__all__ = ["CREATE", "client_of", "counts", "described", "run", "run_on", "songs"]

CREATE: Final = "POST /sonic/create"


def songs(count: int) -> list[TaskRequest[Any]]:
    """Return so many different requests."""
    return described(*(f"rain {number}" for number in range(count)))


def described(*descriptions: str) -> list[TaskRequest[Any]]:
    """Return a request for each description."""
    return [sonic.Describe(description=description) for description in descriptions]


def client_of(base_url: str, **settings: Any) -> MusicAPI:
    """Return a client that polls and submits without delays."""
    given = {"api_key": "k", "poll_interval": 0.01, "create_rate": 1000.0, **settings}
    return MusicAPI(base_url=base_url, **given)


async def run(client: MusicAPI, path: Path | str, requests: Any = None, **options: Any) -> list[Outcome]:
    """Run requests through the journal in this file, with a client that is open, and return their outcomes."""
    async with bulk.open(path) as journal:
        return [outcome async for outcome in bulk.run(client, journal, requests, **options)]


async def run_on(base_url: str, path: Path | str, requests: Any = None, **options: Any) -> list[Outcome]:
    """Run requests through the journal in this file, with a client of their own, and return their outcomes."""
    async with client_of(base_url) as client:
        return await run(client, path, requests, **options)


async def counts(path: Path | str) -> dict[str, int]:
    """Return the number of records in each state that the journal in this file has records in."""
    async with bulk.open(path) as journal:
        return {state: count for state, count in (await journal.counts()).items() if count}
