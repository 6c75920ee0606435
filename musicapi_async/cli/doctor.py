"""``musicapi doctor``: whether this machine can make songs, for its user and for reports of bugs. It costs nothing."""

import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from musicapi_async import MusicAPI, Settings
from musicapi_async._version import VERSION
from musicapi_async.cli.exits import describe
from musicapi_async.cli.screen import Screen
from musicapi_async.errors import DownloadError, InvalidRequestError, MusicAPIError

__all__ = ["Check", "examine"]

State = Literal["ok", "problem", "not set"]
Report: TypeAlias = Callable[[str, State, str], None]
"""Function that prints and keeps a check: its name, its state, and a sentence about it."""

PACKAGES: Final = ("aiohttp", "anyio", "attrs", "backoff", "cattrs", "orjson", "uvloop", "mutagen", "mido")
MAX_CLOCK_ERROR: Final = 60.0
"""Seconds by which the clock may be wrong; events that are signed more than five minutes off are refused."""


class Check(NamedTuple):
    """What was checked, its state, and a sentence about it."""

    name: str
    state: State
    text: str


async def examine(screen: Screen) -> None:
    """Print each check as it is made; raises the first error that keeps this machine from making songs."""
    checks: list[Check] = []

    def report(name: str, state: State, text: str) -> None:
        checks.append(Check(name, state, text))
        screen.emit({"checks": [check._asdict() for check in checks]})
        screen.print(f"{name:<9} {state:<8} {text}")

    report("versions", "ok", _versions())
    try:
        settings = Settings.load()
    except MusicAPIError as error:
        report("settings", "problem", describe(error))
        raise
    # Its length alone: a key that was cut or pasted twice is seen by it.
    report("key", "ok", f"{len(settings.api_key.reveal())} characters, from MUSICAPI_KEY")
    report("service", "ok", settings.base_url)
    report("proxy", *_proxy(settings.base_url))
    problem = await _check_service(report)
    if settings.webhook_url is None:
        report("webhook", "not set", "MUSICAPI_WEBHOOK_URL is not set: tasks are polled")
    else:
        await _check_webhook(settings.webhook_url, report)
    if problem is not None:
        raise problem


def _versions() -> str:
    system = f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}"
    found = [f"{name} {_version(name)}" for name in PACKAGES]
    return f"musicapi-async {VERSION}, {system}, {', '.join(found)}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _proxy(base_url: str) -> tuple[State, str]:
    """Return the proxy of the environment for the service, without its login."""
    service = urlsplit(base_url)
    proxies = getproxies()
    address = proxies.get(service.scheme) or proxies.get("all")
    if not address or proxy_bypass(service.hostname or ""):
        return "not set", "connections are made directly"
    host = urlsplit(address if "://" in address else f"http://{address}").netloc.rpartition("@")[2]
    return "ok", f"through {host}, as the environment says"


async def _check_service(report: Report) -> MusicAPIError | None:
    """Check the connection, the key, the balance and the clock with one free request; return what failed."""
    dates: list[str] = []
    started = time.monotonic()
    async with MusicAPI(trace_configs=[_noting_dates(dates)], max_attempts=1) as client:
        try:
            balance = await client.account.credits()
        except MusicAPIError as error:
            report("account", "problem", describe(error))
            return error
    report("account", "ok", f"{balance.total:g} credits; the response took {time.monotonic() - started:.2f} s")
    report("clock", *_clock(dates))
    return None


def _noting_dates(dates: list[str]) -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def note(_: aiohttp.ClientSession, __: object, end: aiohttp.TraceRequestEndParams) -> None:
        dates.append(end.response.headers.get("Date", ""))

    trace.on_request_end.append(note)
    return trace


def _clock(dates: list[str]) -> tuple[State, str]:
    """Compare this machine's clock with the date of the response."""
    try:
        behind = (parsedate_to_datetime(dates[-1]) - datetime.now(UTC)).total_seconds()
    except (IndexError, ValueError, TypeError):
        return "not set", "the response has no date to compare this machine's clock with"
    if abs(behind) <= MAX_CLOCK_ERROR:
        return "ok", f"within {MAX_CLOCK_ERROR:g} seconds of the service's"
    direction = "behind" if behind > 0 else "ahead of"
    return "problem", f"{abs(behind):.0f} seconds {direction} the service's: signed events may be refused"


async def _check_webhook(url: str, report: Report) -> None:
    """Check that something responds at the webhook's address; whether the service reaches it, only an event shows."""
    async with MusicAPI("none", allow_private_addresses=True, max_attempts=1) as client:
        try:
            await client.read(url, max_size=1_000_000)
        except DownloadError as error:
            if error.status is None:
                report("webhook", "problem", f"{_without_query(url)} does not respond: {error.reason}")
                return
        except InvalidRequestError as error:
            report("webhook", "problem", error.message)
            return
    report("webhook", "ok", f"{_without_query(url)} responds")


def _without_query(url: str) -> str:
    return url.partition("?")[0].partition("#")[0]
