"""What the users know of what they paid for, held against what the server counted."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from musicapi_async import Request, Songs, Task, errors, sonic
from musicapi_async.sandbox import Account
from musicapi_async.sandbox.state import SandboxTask

__all__ = ["Book", "Findings", "names_of"]


def names_of(request: object) -> tuple[str, ...]:
    """Return the names of the songs that a request asks for: nobody asks for one of them twice."""
    if isinstance(request, sonic.SubmitBatch):
        return tuple(name for item in request.items for name in names_of(item))
    return (str(getattr(request, "title", None) or getattr(request, "description", None)),)


@attrs.frozen(kw_only=True)
class Findings:
    """What a run came to. Everything from ``duplicates`` on has to be 0 (or empty)."""

    requests: int
    accepted: int
    uncertain: int
    """Requests that were reported as such; some were accepted, some not."""
    uncertain_accepted: int
    songs: int
    """Tasks that ended with songs, in the user's hands."""
    failed: int
    charged: float
    refunded: float

    duplicates: int
    """Acceptances of a request beyond its first."""
    lost: int
    """Accepted tasks whose id nobody knows, and which nobody was told to be uncertain."""
    invented: int
    """Ids that users hold and the server never gave."""
    contradicted: int
    """Requests that are known by an id and reported uncertain, or reported more than once."""
    unreported: int
    """Uncertain errors that were raised and of which the hook was not told."""
    unfinished: int
    """Songs that were handed over as finished and are not."""
    missing: float
    """Credits charged that no accepted task accounts for."""
    unexpected: tuple[str, ...]
    """Errors that are none of the package's own."""

    @property
    def wrong(self) -> dict[str, object]:
        """What must not be, and is."""
        names = [field.name for field in attrs.fields(type(self))]
        return {name: found for name in names[names.index("duplicates") :] if (found := getattr(self, name))}


@attrs.define
class Book:
    """What the users asked for and what they were told."""

    requested: list[str] = attrs.field(factory=list)
    tasks: dict[str, str] = attrs.field(factory=dict)
    """The family of every task whose id a user knows."""
    reported: Counter[str] = attrs.field(factory=Counter)
    """By the hook, by name."""
    raised: set[str] = attrs.field(factory=set)
    """Uncertain errors, by name."""
    ended: dict[str, bool] = attrs.field(factory=dict)
    """Tasks that have ended: whether with songs."""
    unfinished: set[str] = attrs.field(factory=set)
    unexpected: list[str] = attrs.field(factory=list)

    def ask(self, request: Request[Any]) -> None:
        """Note what is about to be asked for."""
        self.requested.extend(names_of(request))

    def know(self, *tasks: Task[Any]) -> None:
        """Note tasks by their ids."""
        self.tasks.update((task.id, task.family) for task in tasks)

    def report(self, error: errors.UncertainSubmissionError) -> None:
        """Be the client's hook."""
        self.reported.update(names_of(error.request))

    def catch(self, error: BaseException) -> None:
        """Note an error that a user was given."""
        if isinstance(error, errors.UncertainSubmissionError):
            self.raised.update(names_of(error.request))
        elif isinstance(error, errors.TaskFailedError):
            self.ended[error.task_id] = False
        elif not isinstance(error, errors.MusicAPIError):
            self.unexpected.append(repr(error))

    def end(self, task_id: str, songs: Songs) -> None:
        """Note songs that a wait has handed over."""
        self.ended[task_id] = True
        is_whole = all(song.state == "failed" or (song.state == "succeeded" and song.audio_url) for song in songs)
        if not songs or not is_whole or any("/stream/" in (song.audio_url or "") for song in songs):
            self.unfinished.add(task_id)

    def audit(self, accepted: Iterable[SandboxTask], account: Account, had: float) -> Findings:
        """Hold what the users know against what the server accepted and charged."""
        tasks = tuple(accepted)
        times = Counter(name for task in tasks for name in names_of(task.request))
        known = {name for task in tasks if task.task_id in self.tasks for name in names_of(task.request)}
        unknown = [task for task in tasks if task.task_id not in self.tasks]
        told = {name for name, count in self.reported.items() if count > 1 or name in known}
        charged, refunded = sum(task.price for task in tasks), sum(task.price for task in tasks if task.refunded)
        return Findings(
            requests=len(self.requested),
            accepted=len(tasks),
            uncertain=len(self.reported),
            uncertain_accepted=len(self.reported.keys() & times.keys()),
            songs=sum(self.ended.values()),
            failed=len(self.ended) - sum(self.ended.values()),
            charged=charged,
            refunded=refunded,
            duplicates=sum(times.values()) - len(times),
            lost=sum(not set(names_of(task.request)) & self.reported.keys() for task in unknown),
            invented=len(self.tasks.keys() - {task.task_id for task in tasks}),
            contradicted=len(told),
            unreported=len(self.raised - self.reported.keys()),
            unfinished=len(self.unfinished | (self.tasks.keys() - self.ended.keys())),
            missing=abs(had - account.credits - account.extra_credits - charged + refunded),
            unexpected=tuple(self.unexpected),
        )
