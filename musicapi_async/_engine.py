"""The engine of a client: a request value in, a task, a result or a typed error out; and the client's lifetime."""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from musicapi_async._notices import call_hook
from musicapi_async._protocol import (
    ID_RESULTS,
    check_operation,
    encode_call,
    encode_plain,
    read_submission,
    report_to,
)
from musicapi_async._request import POST, Request, TaskRequest, model_of
from musicapi_async._responses.contents import ids_in
from musicapi_async._responses.response import Response
from musicapi_async._secrets import Secret
from musicapi_async._settings import Settings
from musicapi_async._tasks.accepted import AcceptedTask
from musicapi_async._tasks.background import Background
from musicapi_async._tasks.entry import Entry
from musicapi_async._tasks.events import TaskEvents
from musicapi_async._tasks.inbox import InboxReader
from musicapi_async._tasks.poller import Poller
from musicapi_async._tasks.state import TaskRule
from musicapi_async._tasks.task import Task, checked_task_id, entry_of
from musicapi_async._tasks.timing import Timing
from musicapi_async._tasks.unfinished import log
from musicapi_async._tracing import span
from musicapi_async._transport.account_activity import AccountActivity
from musicapi_async._transport.call import Call
from musicapi_async._transport.caller import Caller, note_preparation, raise_cancellation
from musicapi_async._transport.cancellation import ActiveCalls, complete
from musicapi_async._transport.connections import Connections
from musicapi_async._transport.downloads import Downloads
from musicapi_async._transport.session import Session
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.results import Batch, Credits, Evidence

__all__ = ["Engine"]

R = TypeVar("R")

RECENT_ACCOUNTS: Final = 100


class Engine:
    """Sends requests under one set of settings; the engines of a client's views share its connections and tasks.

    Only this package's own modules (bulk, the command, the blocking client) use it, through ``_engine_access``.
    """

    def __init__(self, settings: Settings, root: "Engine | None" = None) -> None:
        self.settings = settings
        self.is_view: bool = root is not None
        self.shared: Shared = Shared(settings) if root is None else root.shared
        self.calls: ActiveCalls = self.shared.calls
        self.poller: Poller = self.shared.poller
        self.events: TaskEvents = self.shared.events
        if settings.webhook_secret is not None:
            self.poller.expect_events()
        self.files: Downloads = self.shared.files
        self.background: Background = self.shared.background
        self.caller: Caller = self.shared.caller(settings)

    def view(self, settings: Settings) -> "Engine":
        """Return an engine with other settings on the same connections."""
        return Engine(settings, self)

    @property
    def is_open(self) -> bool:
        """True when there are connections to close."""
        return self.shared.connections.is_open

    async def submit(self, request: TaskRequest[R], call: Call) -> Task[R]:
        """Start a task, which is paid for, by the call of its request.

        Raises as ``MusicAPI.submit``.
        """
        with span("submit", partial(self._describe, request, call), is_request=True):
            return await self._submit(request, call)

    async def _submit(self, request: TaskRequest[R], call: Call) -> Task[R]:
        url, secret = self.settings.webhook_url, self.settings.webhook_secret
        # A request without the field cannot be reported; one with a URL of its own keeps it.
        if url is not None and secret is not None and getattr(request, "webhook_url", "") is None:
            self.events.note_sent(report_to(call, url, secret))
        read = partial(read_submission, call, id_in_data=request.id_in_data)
        rule = TaskRule.of(type(request))
        try:
            task_id, uploaded = await self.calls.track(self.caller.send(call, read))
        except asyncio.CancelledError:
            if call.task_id is not None:  # in the refusal of a request that was cancelled in flight
                self._note_accepted(call.task_id, request, rule)
            raise
        call.task_id, now = task_id, asyncio.get_running_loop().time()
        # The end of a task that is reported to a webhook cannot be observed here.
        is_kept = getattr(request, "webhook_url", None) is None
        self.poller.unfinished.accept(task_id, rule, is_kept=is_kept)
        if call.reference is not None:
            self.events.note_accepted(call.reference, task_id)
        is_reported = call.reference is not None
        entry = Entry(task_id, rule, self.caller, _timing_key(request), now, is_reported=is_reported)
        task: Task[R] = Task(entry, self.poller, uploaded)
        if call.hook is not None:
            call.hook.accepted(task_id)
        self._note_accepted(task_id, request, rule)
        if call.cancellation is not None:
            raise_cancellation(call, f"started {task.family} task {task.id}, which is paid for: {task.resumption}")
        return task

    def latest_end_of(self, request: TaskRequest[Any]) -> float | None:
        """Return the seconds after which nearly all tasks of such a request have ended; None when not estimated."""
        return None if self.settings.poll_interval is not None else self.poller.timing.latest(_timing_key(request))

    async def call(self, request: Request[R]) -> R:
        """Send a request that starts no task, and return its result, as soon as it is prepared.

        Raises as ``MusicAPI.call``.
        """
        return await self.send(request, *encode_call(request))

    async def send(self, request: Request[R], call: Call, read: Callable[[Response], R]) -> R:
        """Send the call of a request, and return what ``read`` makes of its response; raises as ``call``."""
        with span("call", partial(self._describe, request, call), is_request=True):
            return await self._call(request, call, read)

    async def _call(self, request: Request[R], call: Call, read: Callable[[Response], R]) -> R:
        activity = self.caller.activity
        snapshot = activity.snapshot()
        try:
            result = await self.calls.track(self.caller.send(call, read))
        except asyncio.CancelledError as end:
            note_preparation(call, end)
            raise
        if isinstance(result, Credits):
            activity.record_balance(result.total, snapshot)
        if isinstance(result, Batch):
            ids = [one.task_id for one in result if one.task_id is not None]
            activity.record_tasks(*ids)
            rule = TaskRule.of_songs(request.family)
            for task_id in ids:
                self.poller.unfinished.accept(task_id, rule)
            for task_id in ids:
                self._note_accepted(task_id, request, rule)
        # Only results that consist of ids: lyrics do not belong into a log.
        raise_cancellation(call, f"was accepted: {result!r}" if isinstance(result, ID_RESULTS) else "got its response")
        return result

    async def request(self, method: str, path: str, json: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Call an endpoint by its path and return the response's JSON object; raises as ``MusicAPI.request``."""
        return await self.send_plain(*encode_plain(method, path, json))

    async def send_plain(self, call: Call, read: Callable[[Response], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Send the call of an endpoint by its path, and return the response's JSON object; raises as ``request``."""
        with span("request", partial(call.describe, self.settings.base_url), is_request=True):
            return await self._request(call, read)

    async def _request(self, call: Call, read: Callable[[Response], Mapping[str, Any]]) -> Mapping[str, Any]:
        method, path, json = call.method, call.path, call.body
        body = await self.calls.track(self.caller.send(call, read))
        if method == POST:
            self.caller.activity.record_unnamed_task()
            named = ids_in(body, json)
            if task_ids := named.task_ids:
                log(logging.INFO, f"{method} {path} was accepted: task {', '.join(task_ids)}", *task_ids)
            raise_cancellation(call, f"was accepted: {named}")
        return body

    async def investigate(self, error: UncertainSubmissionError, balance: Request[Credits]) -> Evidence:
        """Send the request for the ``balance`` and compare it with the last one before an uncertain submission."""
        activity = self.caller.activity
        snapshot = activity.snapshot()
        credits = await self.calls.track(self.caller.send(*encode_call(balance)))
        return activity.evidence(error, credits.total, snapshot)

    def _note_accepted(self, task_id: str, request: Request[Any], rule: TaskRule[Any]) -> None:
        """Call ``on_accepted``."""
        if (hook := self.settings.on_accepted) is not None:
            resumption = rule.resumption(task_id)
            accepted = AcceptedTask(task_id=task_id, family=rule.family, request=request, resumption=resumption)
            call_hook("on_accepted", hook, accepted, resumption)

    def _describe(self, request: Request[Any], call: Call) -> dict[str, str | int | bool | None]:
        """Return the attributes of the span of a request."""
        named = {"musicapi.operation": request.operation_name, "musicapi.model": model_of(request)}
        return call.describe(self.settings.base_url) | named

    def resume(self, operation: type[TaskRequest[R]], task_id: str) -> Task[R]:
        """Return a task from the class of its request and its id; raises InvalidRequestError for invalid ones."""
        check_operation(operation)
        return Task(Entry(checked_task_id(task_id), TaskRule.of(operation), self.caller), self.poller)

    def attach(self, task: Task[R]) -> Task[R]:
        """Return the same task on this engine."""
        return Task(Entry(task.id, entry_of(task).rule, self.caller), self.poller, task.uploaded)

    async def close(self) -> Mapping[str, str]:
        """Close the client; return the expressions that resume the paid tasks still running, by task id.

        The engine of a view closes nothing.
        """
        if self.is_view:
            return {}
        try:
            await self.shared.aclose()
        finally:
            # In ``finally``, so that a cancelled close names them too.
            left = self.poller.unfinished.report()
            self.background.report(left)
        return left

    async def wait_for_response(self, sender: asyncio.Task[Any]) -> None:
        """Wait until the sender has no submission in flight; for callers that may be interrupted."""
        await self.background.wait_for_response(sender)

    def abandon(self, sender: asyncio.Task[Any]) -> None:
        """End the sender's submission without its response, if one is in flight; its outcome is then unknown."""
        self.shared.session.abandon(sender)

    def end_on_close(self, worker: asyncio.Task[None]) -> None:
        """Register a worker that closing the client waits for, and cancels if it does not end."""
        workers = self.background.workers
        workers.add(worker)
        worker.add_done_callback(workers.discard)

    @property
    def running(self) -> Mapping[str, str]:
        """How each paid task is resumed that is still running, by its id; until the client has closed."""
        return self.poller.unfinished.resumptions()

    @property
    def in_flight(self) -> int:
        """The number of submissions in flight."""
        return len(self.shared.session.in_flight)

    @property
    def undelivered(self) -> Mapping[str, str]:
        """By task id, the expressions that resume tasks of runs whose outcome was not returned yet."""
        return dict(self.background.undelivered)

    def note_delivered(self, *task_ids: str) -> None:
        """Note tasks of runs that were named to the user."""
        for task_id in task_ids:
            self.background.undelivered.pop(task_id, None)

    def export_state(self) -> dict[str, Any]:
        """Return the estimates of task durations and the rate limit as JSON values, for a later run."""
        return {"timing": self.poller.timing.export_state(), "gap": self.shared.session.rate_limiter.delay}

    def restore_state(self, state: Mapping[str, Any] | None) -> None:
        """Start with the exported state of an earlier run; invalid parts are ignored."""
        with suppress(KeyError, TypeError, ValueError):
            self.poller.timing.restore_state((state or {})["timing"])
            self.shared.session.rate_limiter.restore_delay(float((state or {})["gap"]))


class Shared:
    """The state that a client and its views share: connections, the poller, calls in progress."""

    def __init__(self, settings: Settings) -> None:
        self.connections: Connections = Connections(settings)
        self.calls: ActiveCalls = ActiveCalls()
        timing, max_polls = Timing(settings.poll_interval, settings.poll_cost), max(1, settings.max_requests // 2)
        self.poller: Poller = Poller(timing, max_polls, self.calls)
        self.events: TaskEvents = TaskEvents(self.poller)
        inbox = settings.webhook_inbox
        self.inbox: InboxReader | None = None if inbox is None else InboxReader(inbox, self.events)
        if self.inbox is not None:
            self.poller.on_first_wait = self.inbox.start
        self.session: Session = Session(settings, self.connections)
        self.files: Downloads = Downloads(self.connections, self.session.budget)
        self.background: Background = Background(self.session.in_flight)
        self._activities: WeakValueDictionary[tuple[str, Secret], AccountActivity] = WeakValueDictionary()
        self._recent: deque[AccountActivity] = deque(maxlen=RECENT_ACCOUNTS)
        """Kept although no view or task with their key is: the next one needs their balance."""

    def caller(self, settings: Settings) -> Caller:
        """Return a caller under these settings; callers with the same key share the account's activity."""
        activity = self._activities.setdefault((settings.base_url, settings.api_key), AccountActivity())
        if activity not in self._recent:
            self._recent.append(activity)
        return Caller(settings, self.session, activity)

    async def aclose(self) -> None:
        """Close everything, in an order that loses nothing, and completely even if the caller is cancelled."""
        # From here on no request is sent or retried; requests in flight get their responses.
        self.calls.refuse()
        self.connections.closed = True
        await complete(self._close(asyncio.current_task()))

    async def _close(self, closer: asyncio.Task[Any] | None) -> None:
        try:
            if self.inbox is not None:
                await self.inbox.aclose()
            await self.poller.aclose()
            # Each of them ends within its own time limit.
            await asyncio.gather(*map(self.background.wait_for_response, tuple(self.session.in_flight)))
        finally:
            self.calls.end(self.session.in_flight)
            await self.connections.aclose()
            self.session.close()
            await self.background.end(closer)


def _timing_key(request: TaskRequest[Any]) -> str:
    """Return the key of the duration estimates: the operation and its model."""
    return sys.intern(f"{request.operation_name} {model_of(request) or ''}")
