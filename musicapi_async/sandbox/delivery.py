"""Delivery of the fake server's events: in order, again until they are acknowledged with a 2xx, with faults."""

import asyncio
import random
import secrets
import time
import uuid
from contextlib import suppress
from typing import Final

import attrs
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar

from musicapi_async.sandbox.clock import Clock
from musicapi_async.sandbox.events import (
    PlannedEvent,
    event_body,
    forged_body,
    planned_events,
    receiver_of,
    signed_headers,
)
from musicapi_async.sandbox.faults import EventFault, EventFaults
from musicapi_async.sandbox.polls import FileUrl
from musicapi_async.sandbox.state import SandboxTask

__all__ = ["Delivery", "EventSender"]

MAX_ATTEMPTS: Final = 8
RESPONSE_TIMEOUT: Final = 10.0
"""Seconds, by the real clock, in which the receiver must respond."""
RETRY_SHARE: Final = 0.05
"""The interval before the first retry, as a share of the time that a song takes; it doubles with each attempt."""
MIN_RETRY_INTERVAL: Final = 0.05


@attrs.frozen(kw_only=True)
class Delivery:
    """One attempt of the sandbox to deliver an event."""

    event_id: str
    """The event's id, the same in each attempt."""
    type: str
    """The event's type, such as ``song.completed``."""
    task_id: str
    """The id of the event's task."""
    attempt: int
    """The number of the attempt, from 1; a doubled event begins again at 1."""
    status: int | None
    """The status of the receiver's response; None without one."""
    at: float
    """The time of the attempt, in seconds by the clock that ``advance`` advances."""
    forged: bool = False
    """True for an event that another party has signed."""


@attrs.define(eq=False)
class _Outgoing:
    """An event in transit; ``is_sent`` is set after its first attempt, or when it is not sent in its turn."""

    task: SandboxTask
    planned: PlannedEvent
    fault: EventFault
    url: str
    secret: str
    body: bytes
    event_id: str
    is_sent: asyncio.Event = attrs.field(factory=asyncio.Event)


class EventSender:
    """Sends the events of tasks to the URLs that their requests name."""

    def __init__(self, clock: Clock, faults: EventFaults, seconds: float, seed: int) -> None:
        self.deliveries: list[Delivery] = []
        self._clock = clock
        self._faults = faults
        self._seconds = seconds
        self._default_secret = secrets.token_hex()
        self._ids = random.Random(seed)  # noqa: S311 - reproducible by its seed
        self._sending: set[asyncio.Task[None]] = set()
        self._held: dict[str, list[_Outgoing]] = {}
        self._next_sent = asyncio.Event()
        self._session: ClientSession | None = None

    async def aclose(self) -> None:
        """Send nothing more."""
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def watch(self, task: SandboxTask, file_url: FileUrl) -> None:
        """Send the events of an accepted task as they become due, if its request names a URL of this machine."""
        url = receiver_of(task)
        if url is None:
            return
        secret = getattr(task.request, "webhook_secret", None) or self._default_secret
        outgoing = [
            _Outgoing(
                task,
                planned,
                self._faults.take(planned.type),
                url,
                secret,
                event_body(task, planned, file_url),
                str(uuid.UUID(int=self._ids.getrandbits(128), version=4)),
            )
            for planned in planned_events(task)
        ]
        self._held[task.task_id] = [event for event in outgoing if event.fault.before_response]
        for at, event in enumerate(outgoing):
            before = outgoing[at - 1] if at else None
            after = outgoing[at + 1] if at + 1 < len(outgoing) else None
            sending = asyncio.create_task(self._send(event, before, after))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)

    async def before_response(self, task: SandboxTask) -> None:
        """Wait for the events of a task that are to arrive before the response to its submission."""
        for event in self._held.pop(task.task_id, ()):
            await event.is_sent.wait()

    async def _send(self, event: _Outgoing, before: _Outgoing | None, after: _Outgoing | None) -> None:
        fault, task = event.fault, event.task
        try:
            if not fault.keeps_order:
                event.is_sent.set()  # the event behind it does not wait for it
            if fault.lost:
                return
            await self._clock.until(task.accepted_at + event.planned.share * task.takes + fault.delay)
            if before is not None and (fault.keeps_order or fault.reordered):
                await before.is_sent.wait()
            if fault.reordered:
                await self._overtaken(after)
            if fault.forged:
                await self._attempt(event, 1, forged=True)
            for _ in range(1 + fault.doubled):
                await self._deliver(event)
        finally:
            event.is_sent.set()

    async def _overtaken(self, after: _Outgoing | None) -> None:
        """Wait until the task's next event was sent; behind its last one, the next event of another task."""
        if after is not None:
            await after.is_sent.wait()
            return
        waiting = [
            asyncio.create_task(self._next_sent.wait()),
            asyncio.create_task(self._clock.until(self._clock.now() + self._seconds)),
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _deliver(self, event: _Outgoing) -> None:
        """Send an event until it is acknowledged with a 2xx."""
        interval = max(self._seconds * RETRY_SHARE, MIN_RETRY_INTERVAL)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            begun = self._clock.now()
            status = await self._attempt(event, attempt)
            event.is_sent.set()
            sent, self._next_sent = self._next_sent, asyncio.Event()
            sent.set()
            if status is not None and 200 <= status < 300:  # noqa: PLR2004 - successful
                return
            await self._clock.until(begun + interval)
            interval *= 2

    async def _attempt(self, event: _Outgoing, attempt: int, *, forged: bool = False) -> int | None:
        """Send an event once; return the status of the response, None without one."""
        body = forged_body(event.task) if forged else event.body
        secret = secrets.token_hex() if forged else event.secret
        event_id = f"forged-{event.event_id}" if forged else event.event_id
        headers = signed_headers(body, event_id, event.planned.type, int(time.time()), secret)
        at, status = self._clock.now(), None
        with suppress(ClientError, TimeoutError, OSError):
            async with self._open().post(event.url, data=body, headers=headers, allow_redirects=False) as response:
                status = response.status
        self.deliveries.append(
            Delivery(
                event_id=event_id,
                type=event.planned.type,
                task_id=event.task.task_id,
                attempt=attempt,
                status=status,
                at=at,
                forged=forged,
            )
        )
        return status

    def _open(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(cookie_jar=DummyCookieJar(), timeout=ClientTimeout(total=RESPONSE_TIMEOUT))
        return self._session
