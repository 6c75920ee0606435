"""What the double knows: accounts, credits, tasks and how they go on with time. No sockets, no clock of its own."""

import random
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import attrs

from musicapi_async._operation import Request
from musicapi_async.sandbox.audio import AUDIO_SUFFIX, SECONDS

__all__ = ["Account", "Ending", "SandboxTask", "World"]

Ending = Literal["songs", "failed", "timeout", "forbidden", "api_error", "partial", "all_failed", "one_clip"]
"""How a task ends: two songs; one of the service's failures; one good and one failed clip; two failed ones; or one
clip where two were promised."""

# Credits as read in the contract files on 2026-11-22; the real service's prices drift.
PRICES: Final[Mapping[str, int]] = {
    "sonic.extend": 15,
    "riffusion.create": 12,
    "riffusion.describe": 12,
    "lyrics.make": 2,
}
DEFAULT_PRICE: Final = 20
BODY_FAILURES: Final = frozenset({"failed", "timeout", "forbidden", "api_error"})

# The moments of a task, as shares of its whole time.
CLIPS_APPEAR: Final = 0.3
FIRST_CLIP_DONE: Final = 0.75
JITTER: Final = 0.15


@attrs.define
class Account:
    """One key's balance; extra credits are used first, as the service does."""

    credits: float
    extra_credits: float = 0.0

    def charge(self, price: float) -> bool:
        """Take the price; False when there is not enough."""
        if self.credits + self.extra_credits < price:
            return False
        extra = min(self.extra_credits, price)
        self.extra_credits -= extra
        self.credits -= price - extra
        return True


@attrs.define(kw_only=True)
class SandboxTask:
    """A task the sandbox accepted, and was paid for."""

    task_id: str
    family: str
    request: Request[Any]
    account: Account
    price: float
    accepted_at: float
    takes: float
    ending: Ending
    clip_ids: tuple[str, ...]
    created_at: datetime
    refunded: bool = False

    def share(self, now: float) -> float:
        """Return how much of its time has passed, from 0 to 1."""
        return min(1.0, (now - self.accepted_at) / self.takes) if self.takes > 0 else 1.0


class World:
    """Everything the double remembers."""

    def __init__(
        self, *, seconds: float, credits: float, keys: tuple[str, ...] | None, seed: int, failure_rate: float
    ) -> None:
        self.accounts: dict[str, Account] = {key: Account(credits) for key in keys or ()}
        self.tasks: dict[str, SandboxTask] = {}
        self.clip_ids: set[str] = set()
        self.endings: list[Ending] = []
        self._failing: list[SandboxTask] = []
        self._open_to_all = keys is None
        self._credits = credits
        self._seconds = seconds
        self._failure_rate = failure_rate
        self._spread = random.Random(seed)  # noqa: S311 - a seed is the point

    def account(self, key: str) -> Account | None:
        """Return the key's account; a new key opens one unless keys were given."""
        if key not in self.accounts and self._open_to_all:
            self.accounts[key] = Account(self._credits)
        return self.accounts.get(key)

    def price(self, request: Request[Any]) -> int:
        """Return what a request costs."""
        return PRICES.get(request.operation_name(), DEFAULT_PRICE)

    def accept(self, request: Request[Any], family: str, account: Account, price: float, now: float) -> SandboxTask:
        """Start a task that was paid for."""
        ending: Ending = "failed" if self._spread.random() < self._failure_rate else "songs"
        if self.endings:
            ending = self.endings.pop(0)
        task = SandboxTask(
            task_id=self._uuid(),
            family=family,
            request=request,
            account=account,
            price=price,
            accepted_at=now,
            takes=self._seconds * self._spread.uniform(1 - JITTER, 1 + JITTER),
            ending=ending,
            clip_ids=tuple(self._uuid() for _ in range(1 if ending == "one_clip" else 2)),
            created_at=datetime.now(UTC),
        )
        self.tasks[task.task_id] = task
        self.clip_ids.update(task.clip_ids)
        if ending in BODY_FAILURES or ending == "all_failed":
            self._failing.append(task)
        return task

    def settle(self, now: float) -> None:
        """Give back the credits of tasks that have failed by now."""
        for task in self._failing:
            if task.share(now) >= 1:
                task.refunded = True
                task.account.credits += task.price
        self._failing = [task for task in self._failing if not task.refunded]

    def look(self, task: SandboxTask, now: float, file_url: Callable[[str], str]) -> tuple[int, dict[str, object]]:
        """Return the status and the body of a look at a task."""
        share = task.share(now)
        if share < CLIPS_APPEAR:
            return 202, {"type": "not_ready", "error": "task not ready, please wait few seconds."}
        if share >= 1 and task.ending in BODY_FAILURES:
            return 200, {"type": task.ending, "error": "The upstream generation failed. Credits were refunded."}
        clips = [_clip(task, index, share, file_url) for index in range(len(task.clip_ids))]
        return 200, {"code": 200, "data": clips, "message": "success"}

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._spread.getrandbits(128), version=4))


def _clip(task: SandboxTask, index: int, share: float, file_url: Callable[[str], str]) -> dict[str, object]:
    clip_id = task.clip_ids[index]
    done = share >= 1 or (index == 0 and share >= FIRST_CLIP_DONE and task.ending in {"songs", "partial"})
    failed = done and (task.ending == "all_failed" or (task.ending == "partial" and index == 1))
    audio = f"{clip_id}.{AUDIO_SUFFIX}"
    clip: dict[str, object] = {
        "clip_id": clip_id,
        "state": "failed" if failed else "succeeded" if done else "running",
        "title": _title(task.request),
        "lyrics": _lyrics(task.request),
        "image_url": None if failed else file_url(f"{clip_id}.png"),
        "audio_url": None if failed else file_url(audio if done else f"stream/{audio}"),
        "video_url": None,
        "created_at": task.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "mv": getattr(task.request, "model", None),
        "duration": _duration(task.family) if done and not failed else None,
    }
    if failed:
        clip["error_message"] = "The generation of this clip failed."
    return clip | (_riffusion_keys(task) if task.family == "riffusion" else _sonic_keys(task))


def _duration(family: str) -> object:
    """Sonic tells a duration as a decimal string, riffusion as a number (contract, 1.4)."""
    return SECONDS if family == "riffusion" else f"{SECONDS:.2f}"


def _sonic_keys(task: SandboxTask) -> dict[str, object]:
    request = task.request
    return {
        "tags": getattr(request, "tags", None) or "pop, sandbox",
        "gpt_description_prompt": getattr(request, "description", None),
        "negative_tags": getattr(request, "negative_tags", None),
        "style_weight": getattr(request, "style_weight", None),
        "weirdness_constraint": getattr(request, "weirdness", None),
    }


def _riffusion_keys(task: SandboxTask) -> dict[str, object]:
    created = (task.created_at + timedelta(microseconds=task.created_at.microsecond % 7)).isoformat()
    return {
        "sound": getattr(task.request, "sound", None),
        "vocal_variation": None,
        "created_at": created.replace("+00:00", "Z"),
        "timestamp": {"words": _word_timings(_lyrics(task.request))},
    }


def _word_timings(lyrics: str) -> list[dict[str, object]]:
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


def _title(request: Request[Any]) -> str:
    given = getattr(request, "title", None)
    source = getattr(request, "description", None) or _lyrics(request).replace("[Verse]", "")
    return given or " ".join(str(source).split()[:4]).title()[:80]


def _lyrics(request: Request[Any]) -> str:
    if getattr(request, "instrumental", None):
        return "[Instrumental]"
    written = getattr(request, "lyrics", None)
    return written or f"[Verse]\n{getattr(request, 'description', None) or 'La la la'}\n[Chorus]\nOh, sing it again"
