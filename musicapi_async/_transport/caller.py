"""One call with its repetitions: what becomes of each failure."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar, cast

import attrs
from multidict import CIMultiDict

from musicapi_async._settings import HeaderText, Secret, SecretBytes, Settings
from musicapi_async._transport.addresses import url_of
from musicapi_async._transport.connections import USER_AGENT
from musicapi_async._transport.ledger import Ledger
from musicapi_async._transport.named import Named, ids_in
from musicapi_async._transport.repeating import RepeatError, repeating
from musicapi_async._transport.replies import Reply, read_body, unreadable
from musicapi_async._transport.retry import BrokenError, Fault, Kind, Verdict, fault_of, judge, wait_before
from musicapi_async._transport.session import Guard, Sent, Session, Terms, Way, logger
from musicapi_async.errors import (
    ClientClosedError,
    ConnectionFailedError,
    MusicAPIError,
    NotReadyError,
    RetiredError,
    ServerError,
    UncertainSubmissionError,
    UnreadableReplyError,
)
from musicapi_async.wire.json import write_json

__all__ = ["Call", "Caller", "logger", "raise_cancellation"]

T = TypeVar("T")

PREPARING_GAP: Final = 3.0
"""Seconds between two requests for a file that is being prepared; the contract's advice (4.14)."""
PREPARING_LIMIT: Final = 180.0
SHORTEST_KEY: Final = 16
"""A shorter key is left in replies that repeat it: it could be a part of ordinary words."""
_spread: Final = random.Random()  # noqa: S311 - jitter needs no secrecy


@attrs.define(kw_only=True, eq=False)
class Call:
    """One exchange to be had: what to send, what a repetition would cost, and what to say when it fails."""

    method: str
    path: str
    body: Mapping[str, object] | None = attrs.field(default=None, repr=False)
    kind: Kind = Kind.LOOK
    request: object = attrs.field(default=None, repr=False)
    """The request value, for the error that says it is uncertain."""
    attempts: int | None = None
    """Tries at most; None for the setting's."""
    seconds: float = 0.0
    """The least time limit of each try."""
    instead: str = ""
    """What to use when the service has retired this."""
    cancellation: asyncio.CancelledError | None = None
    """Of the caller, while its paid request was in flight; the client raises it when the response is read."""

    @property
    def attempted(self) -> str:
        """What is attempted, in words."""
        return f"{self.method} {self.path}"


class Caller:
    """Sends calls under one set of settings; any number of callers share a session."""

    def __init__(self, settings: Settings, session: Session, ledger: Ledger) -> None:
        self.settings = settings
        self.session = session
        self.ledger = ledger
        known = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        # Of the HTTP library's own kind, so that it need not be made for each request.
        headers = CIMultiDict({**known, "Authorization": HeaderText(f"Bearer {settings.api_key.reveal()}")})
        keys = _spellings(settings.api_key)
        self._looking = Sent(headers, None, keys)
        self._posting = Sent(CIMultiDict({**headers, "Content-Type": "application/json"}), None, keys)
        self._terms: dict[float, Terms] = {}
        self._base = url_of(settings.base_url)
        self._base_path = self._base.raw_path.rstrip("/")

    async def ask(self, call: Call, read: Callable[[Reply], T], guard: Guard | None = None) -> T:
        """Send the call, repeating what may be repeated, and return what ``read`` makes of the reply.

        A ``guard`` records that a paid request is about to leave, and that it is to be sent again. What was accepted
        is returned although the caller was cancelled meanwhile: ``call.cancellation`` has to be raised then.

        Raises the typed error of whatever went wrong; UncertainSubmissionError when a paid request may have been
        accepted.
        """
        tries = _Tries(self, call, read, guard)
        try:
            return await tries.once()
        except RepeatError as due:
            tries.due = due
        # Not before it is needed: passing through costs more than the rest of a call.
        return cast("T", await repeating(tries))

    async def send(self, call: Call, way: Way | None) -> Reply:
        """Send the call once and return its reply, whatever its status; a paid one with a ``way``."""
        url = self._base.with_path(self._base_path + call.path, encoded=True)
        sent = self._looking if call.body is None else self._posting._replace(body=write_json(call.body))
        terms = self._terms.get(call.seconds)
        if terms is None:
            terms = self._terms[call.seconds] = self.session.terms(self.settings, call.seconds)
        started = time.perf_counter()
        if way is None:
            reply = await self.session.send(call.attempted, call.method, url, sent, terms)
        else:
            self.ledger.send()
            try:
                reply = await self.session.send(call.attempted, call.method, url, sent, terms, way)
            except BrokenError as broken:
                # What broke behind a whole answer does not take it back.
                if broken.reply is None or not (broken.reply.is_success and isinstance(read_body(broken.reply), dict)):
                    raise
                reply = broken.reply
            finally:
                self.ledger.arrive()
        if logger.isEnabledFor(logging.DEBUG):
            took = (time.perf_counter() - started) * 1000
            _log(
                logging.DEBUG, "%s: %d in %.0f ms, request id %s", call.attempted, reply.status, took, reply.request_id
            )
        return reply

    def report(self, error: UncertainSubmissionError) -> None:
        """Tell the hook and the log of an uncertain request; one that fails must not hide what it is told."""
        self.ledger.doubt()
        if self.settings.on_uncertain is not None:
            try:
                self.settings.on_uncertain(error)
            except Exception as failure:  # noqa: BLE001
                _log(logging.ERROR, "on_uncertain failed (%r) on: %s", failure, error, exc_info=failure)
        _log(logging.WARNING, "%s", error)


def raise_cancellation(call: Call, came: str) -> None:
    """Raise the cancellation that came while the call was in flight, if one did; it and the log say what came of it."""
    if call.cancellation is not None:
        sentence = f"{call.attempted} was cancelled in flight, and {came}"
        _log(logging.WARNING, "%s", sentence)
        call.cancellation.add_note(sentence)
        raise call.cancellation


def _spellings(key: Secret) -> tuple[SecretBytes, ...]:
    """Return the key as it may stand in JSON, where a slash may be escaped; nothing for a short one."""
    text = key.reveal()
    spellings = dict.fromkeys((text, text.replace("/", "\\/"))) if len(text) >= SHORTEST_KEY else ()
    return tuple(SecretBytes(spelling.encode()) for spelling in spellings)


def _log(level: int, message: str, *values: object, exc_info: BaseException | None = None) -> None:
    """Write to the log; one that fails must not cost what was paid for."""
    with contextlib.suppress(Exception):
        logger.log(level, message, *values, exc_info=exc_info)


class _Tries(Generic[T]):
    """The attempts of one call so far."""

    # Most calls need none of these: they are set where they are needed.
    _count = 0
    _began: float | None = None
    """When the first try was begun, by the event loop's clock; later, by as much as was waited in line."""
    _asked_at: float | None = None
    """When something was first said to be still prepared."""
    _way: Way | None = None
    due: RepeatError | None = None
    """A repetition that is due, and was not waited for yet."""

    def __init__(self, caller: Caller, call: Call, read: Callable[[Reply], T], guard: Guard | None) -> None:
        self._caller = caller
        self._call = call
        self._read = read
        self._guard = guard

    async def once(self) -> T:
        """Try once; raises RepeatError when another try is due, else the error to hand to the user."""
        self._count += 1
        # Asking again for what is being prepared is free, and may be repeated.
        is_paid = self._is_paid = self._call.kind is Kind.PAID and self._asked_at is None
        if self._began is None:
            self._began = asyncio.get_running_loop().time()
        try:
            self._way = Way(self._guard) if is_paid else None
            result = self._understand(await self._caller.send(self._call, self._way))
        except NotReadyError as failure:
            self._note_accepted()
            if self._cancellation is not None:
                raise self._cancellation from failure
            raise self._again_or_late(failure) from failure
        except (MusicAPIError, BrokenError) as failure:
            consequence = await self._settle(failure)
            if consequence is failure:
                raise
            raise consequence from failure
        except BaseException as end:
            if self._way is not None and self._way.sent_at is not None:
                self._tell_cut_off(end)
            elif self._way is not None and self._guard is not None:
                await self._guard.stay()
            raise
        self._caller.session.budget.earn()
        if is_paid:
            self._note_accepted()
            self._call.cancellation = self._cancellation
        return result

    @property
    def _cancellation(self) -> asyncio.CancelledError | None:
        """Of the caller, while its request was in flight."""
        return None if self._way is None else self._way.cancellation

    async def _settle(self, failure: MusicAPIError | BrokenError) -> BaseException:
        """Return what is to be raised for a failure, when the guard knows what it means."""
        consequence, cancellation = self._consequence(failure), self._cancellation
        task_ids = consequence.task_ids if isinstance(consequence, MusicAPIError) else ()
        if self._guard is not None:
            is_refused = not task_ids and not isinstance(consequence, UncertainSubmissionError)
            if is_refused and (cancellation is not None or isinstance(consequence, RepeatError)):
                await self._guard.stay()
            elif cancellation is not None and len(task_ids) == 1:
                self._guard.accept(task_ids[0])
        if cancellation is None:
            return consequence
        cancellation.add_note(str(consequence))
        return cancellation

    def _note_accepted(self) -> None:
        if self._is_paid:
            self._caller.ledger.accept()
            self._caller.session.pacer.accepted()

    def _understand(self, reply: Reply) -> T:
        try:
            return self._read(reply)
        except MusicAPIError:
            raise
        except Exception as fault:
            # A fault of ours must not lose what was paid for: the error shows the reply.
            raise unreadable(self._call.attempted, reply, f"it cannot be read: {fault!r}") from fault

    def _consequence(self, failure: MusicAPIError | BrokenError) -> Exception:
        """Return what is to be raised: RepeatError, or the error for the user."""
        if self._is_paid and isinstance(failure, MusicAPIError):
            self._note_named(failure, ids_in(getattr(failure, "body", None), self._call.body))
        verdict = judge(Kind.PAID if self._is_paid else Kind.LOOK, failure)
        if self._way is not None:
            # Waiting in line is not trying.
            self._began = (self._began or 0.0) + self._way.waited
            if fault_of(failure) in {Fault.RATE_LIMITED, Fault.BUSY}:
                self._caller.session.pacer.refused(self._way.turn, getattr(failure, "retry_after", None))
        if verdict is Verdict.REPEAT and self._caller.session.is_closed:
            return ClientClosedError()
        wait = self._wait(failure) if verdict is Verdict.REPEAT else None
        if wait is not None:
            reason = getattr(failure, "reason", None) or getattr(failure, "message", failure)
            logger.info("%s failed (%s): again in %.1f s", self._call.attempted, reason, wait)
            return RepeatError(failure, wait)
        if verdict is Verdict.UNCERTAIN:
            uncertain = self._uncertain(failure)
            self._caller.report(uncertain)
            return uncertain
        if self._asked_at is not None and isinstance(failure, (BrokenError, ServerError)):
            # It was accepted before, and goes on: this is no failure of it.
            return NotReadyError(self._call.attempted, self._waited())
        if isinstance(failure, BrokenError):
            return ConnectionFailedError(self._call.attempted, failure.reason)
        return failure.towards(self._call.instead) if isinstance(failure, RetiredError) else failure

    def _note_named(self, failure: MusicAPIError, named: Named) -> None:
        """Put the ids that a refusal names on the error and into the log: what they stand for may be paid for."""
        failure.task_ids, failure.result_ids = named
        if not named.is_empty:
            ids = ", ".join((*named.task_ids, *named.result_ids))
            _log(logging.WARNING, "%s failed, and its response names %s", self._call.attempted, ids)

    def _wait(self, failure: Exception) -> float | None:
        """Return the seconds before the next try, or None when there is to be none."""
        settings = self._caller.settings
        wait = wait_before(self._count, failure, _spread) if self._cancellation is None else None
        if wait is None or self._count >= (self._call.attempts or settings.max_attempts):
            return None
        spent = asyncio.get_running_loop().time() - (self._began or 0.0)
        if spent + wait > settings.total_timeout or not self._caller.session.budget.spend(failure):
            return None
        return wait

    def _again_or_late(self, failure: NotReadyError) -> Exception:
        """Ask again for what is being prepared: that is free, and no failed attempt."""
        if self._asked_at is None:
            self._asked_at = asyncio.get_running_loop().time()
        if self._waited() + PREPARING_GAP > PREPARING_LIMIT:
            return NotReadyError(failure.attempted, self._waited())
        self._count = 0
        return RepeatError(failure, PREPARING_GAP)

    def _waited(self) -> float:
        return round(asyncio.get_running_loop().time() - (self._asked_at or 0.0), 1)

    def _uncertain(self, failure: Exception) -> UncertainSubmissionError:
        sent_at = self._way.sent_at if self._way is not None else None
        if isinstance(failure, BrokenError) and failure.reply is not None:
            failure = unreadable(self._call.attempted, failure.reply, failure.reason)
        start = failure.start.decode("utf-8", "replace") if isinstance(failure, UnreadableReplyError) else None
        ledger = self._caller.ledger
        uncertain = UncertainSubmissionError(
            self._call.attempted,
            self._call.request,
            failure.reason if isinstance(failure, BrokenError) else str(failure),
            sent_at or datetime.now(UTC),
            getattr(failure, "status", None),
            getattr(failure, "body", start),
            ledger.balance,
            ledger.seen_at,
        )
        self._note_named(uncertain, ids_in(uncertain.body, self._call.body))
        return uncertain

    def _tell_cut_off(self, end: BaseException) -> None:
        """Report a paid request that was ended while it was in flight, before its response came."""
        uncertain = self._uncertain(BrokenError(Fault.CUT, "it was given up after it was sent"))
        end.add_note(str(uncertain))
        self._caller.report(uncertain)
