"""The state of the fake server: accounts, credits, clips, models and tasks. No I/O.

The time is passed in. ``polls.py`` has the responses to polls.
"""

import random
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import attrs

from musicapi_async._request import Request, TaskRequest
from musicapi_async.results import LyricsDrafts, UploadedClip
from musicapi_async.sandbox.audio import SECONDS
from musicapi_async.sandbox.faults import drawn_from

__all__ = ["Account", "Ending", "SandboxTask", "ServerState", "clip_in", "lyrics_of", "word_timings"]

Ending = Literal["songs", "failed", "timeout", "forbidden", "api_error", "partial", "all_failed", "one_clip"]
"""The end of a task: with its ``songs``; with one of the service's failures (``failed``, ``timeout``, ``forbidden``,
``api_error``); ``partial``, with a finished and a failed clip; ``all_failed``, with failed clips only (a plain
failure for a task without clips); ``one_clip``, with one clip where more were expected."""

FAILING: Final = frozenset({"failed", "timeout", "forbidden", "api_error", "all_failed"})
JITTER: Final = 0.15


@attrs.define
class Account:
    """The balance of one key; like the service, it uses extra credits first."""

    credits: float
    """Credits of the subscription."""
    extra_credits: float = 0.0
    """Credits that were bought in addition."""

    def charge(self, price: float) -> bool:
        """Deduct the price; return False when the balance is too low."""
        if self.credits + self.extra_credits < price:
            return False
        extra = min(self.extra_credits, price)
        self.extra_credits -= extra
        self.credits -= price - extra
        return True


@attrs.define(kw_only=True)
class SandboxTask:
    """A task that the sandbox accepted and charged."""

    task_id: str
    """The id, the same as the ``id`` of the client's ``Task``."""
    family: str
    """The family, such as ``sonic``."""
    request: TaskRequest[Any]
    """The request that started it, as a value."""
    account: Account
    """The account that was charged."""
    price: float
    """Credits that were charged; a failed task gets them refunded."""
    accepted_at: float
    """The time of its acceptance, in seconds by the clock that ``advance`` advances."""
    takes: float
    """Seconds by that clock until it ends."""
    ending: Ending
    """How it ends."""
    clip_ids: tuple[str, ...]
    """The ids of its clips."""
    created_at: datetime
    """The date of its acceptance."""
    refunded: bool = False
    """True once a failed task was refunded: when the next request after its end arrives."""

    @property
    def poll_path(self) -> str:
        """The path under which it is polled."""
        return self.request.poll_path()

    def share(self, now: float) -> float:
        """Return the elapsed share of its duration, from 0 to 1."""
        return min(1.0, (now - self.accepted_at) / self.takes) if self.takes > 0 else 1.0


class ServerState:
    """Accounts, tasks, clips and batches of the fake server."""

    def __init__(
        self,
        *,
        seconds: float,
        credits: float,
        keys: Sequence[str] | None,
        seed: int,
        endings: Mapping[Ending, float],
        models: dict[str, set[str]],
    ) -> None:
        self.accounts: dict[str, Account] = {key: Account(credits) for key in keys or ()}
        self.tasks: dict[str, SandboxTask] = {}
        self.batches: dict[str, tuple[Account, dict[str, object]]] = {}
        """The account of each batch, and the response to it."""
        self.clips: dict[str, SandboxTask] = {}
        """The task of each clip."""
        self.uploaded: set[str] = set()
        """The ids of uploaded clips."""
        self.endings: list[Ending] = []
        self.prices: dict[str, float] = {}
        self.models = models
        self._charged = 0.0
        self._prepared_at: dict[tuple[int, str], float] = {}
        self._failing: list[SandboxTask] = []
        self._open_to_all = keys is None
        self._credits = credits
        self._seconds = seconds
        self._ending_rates = dict(endings)
        self._spread = random.Random(seed)  # noqa: S311 - reproducible by its seed

    def account(self, key: str) -> Account | None:
        """Return the account of a key; a new key gets one unless the valid keys were given."""
        if key not in self.accounts and self._open_to_all:
            self.accounts[key] = Account(self._credits)
        return self.accounts.get(key)

    def price(self, request: Request[Any]) -> float:
        """Return the price of a request."""
        return self.prices.get(request.operation_name, request.credits or 0.0)

    def charge(self, account: Account, price: float) -> bool:
        """Deduct a price from an account; return False when the balance is too low."""
        is_paid = account.charge(price)
        if is_paid:
            self._charged += price
        return is_paid

    def charged(self, now: float) -> float:
        """Return the credits that all accounts have been charged, less those of the tasks that have failed by now."""
        tasks = tuple(self.tasks.values())
        return self._charged - sum(task.price for task in tasks if task.ending in FAILING and task.share(now) >= 1)

    def accept(self, request: TaskRequest[Any], account: Account, now: float) -> SandboxTask:
        """Start a charged task."""
        ending = self._next_ending()
        count = 1 if ending == "one_clip" else 0 if request.result is LyricsDrafts else request.expected_clips
        task = SandboxTask(
            task_id=self.new_id(),
            family=request.family,
            request=request,
            account=account,
            price=self.price(request),
            accepted_at=now,
            takes=self._seconds * self._spread.uniform(1 - JITTER, 1 + JITTER),
            ending=ending,
            clip_ids=tuple(self.new_id() for _ in range(count)),
            created_at=datetime.now(UTC),
        )
        self.tasks[task.task_id] = task
        self.clips.update(dict.fromkeys(task.clip_ids, task))
        if request.result is UploadedClip:
            self.uploaded.update(task.clip_ids)
        if ending in FAILING:
            self._failing.append(task)
        return task

    def _next_ending(self) -> Ending:
        # Drawn in any case, so that the other random values do not depend on it.
        drawn = drawn_from(self._ending_rates, self._spread) or "songs"
        return self.endings.pop(0) if self.endings else drawn

    def refund_failed(self, now: float) -> None:
        """Refund the credits of tasks that have failed by now."""
        for task in self._failing:
            if task.share(now) >= 1:
                task.refunded = True
                task.account.credits += task.price
        self._failing = [task for task in self._failing if not task.refunded]

    def upload(self) -> str:
        """Add an uploaded clip, and return its id."""
        clip_id = self.new_id()
        self.uploaded.add(clip_id)
        return clip_id

    def knows_clip(self, clip_id: str) -> bool:
        """Return whether there is such a clip."""
        return clip_id in self.clips or clip_id in self.uploaded

    def is_repeated(self, account: Account, request: Request[Any]) -> bool:
        """Return whether this account has requested, and paid for, this file before."""
        return (id(account), repr(request)) in self._prepared_at

    def prepare(self, account: Account, request: Request[Any], now: float) -> bool:
        """Start to prepare a file at the first request for it; return whether it is ready."""
        prepared_at = self._prepared_at.setdefault((id(account), repr(request)), now + self._seconds / 2)
        return now >= prepared_at

    def new_id(self) -> str:
        """Return a new id."""
        return str(uuid.UUID(int=self._spread.getrandbits(128), version=4))


def clip_in(request: Request[Any]) -> UploadedClip | str | None:
    """Return the source clip of a request, if it has one."""
    found: UploadedClip | str | None = getattr(request, "clip", None)
    return found


def lyrics_of(request: Request[Any]) -> str:
    """Return the lyrics of the song of a request."""
    if getattr(request, "instrumental", None):
        return "[Instrumental]"
    written = getattr(request, "lyrics", None)
    return written or f"[Verse]\n{getattr(request, 'description', None) or 'La la la'}\n[Chorus]\nOh, sing it again"


def word_timings(lyrics: str) -> list[dict[str, object]]:
    """Spread the sung words over a clip, in Riffusion's format."""
    sung = [(line, word) for line, text in enumerate(lyrics.splitlines()) if text[:1] != "[" for word in text.split()]
    step = SECONDS / max(1, len(sung))
    return [
        {
            "text": word,
            "start": round(at * step, 3),
            "end": round((at + 1) * step, 3),
            "line_index": line,
            "index_range": None,
            "wav2vec2_format": None,
        }
        for at, (line, word) in enumerate(sung)
    ]
