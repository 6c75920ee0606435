"""Records of what the users know of their requests, compared with what the server counted."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import attrs

from musicapi_async import Request, Songs, Task, errors, sonic
from musicapi_async.sandbox import Account
from musicapi_async.sandbox.state import SandboxTask

__all__ = ["Findings", "UserRecords", "names_of"]


def names_of(request: object) -> tuple[str, ...]:
    """Return the names of the songs that a request asks for: each is requested once."""
    if isinstance(request, sonic.SubmitBatch):
        return tuple(name for item in request.items for name in names_of(item))
    return (str(getattr(request, "title", None) or getattr(request, "description", None)),)


@attrs.frozen(kw_only=True)
class Findings:
    """The result of an audit. Everything from ``duplicates`` on has to be 0 (or empty)."""

    requests: int
    accepted: int
    uncertain: int
    """Requests that were reported as such; some were accepted, some not."""
    uncertain_accepted: int
    recovered: int
    """Uncertain submissions whose task was found by its event."""
    songs: int
    """Tasks that ended with songs, which the user received."""
    failed: int
    charged: float
    refunded: float

    duplicates: int
    """Acceptances of a request beyond its first."""
    lost: int
    """Accepted tasks whose id no user has, and which were not reported as uncertain."""
    invented: int
    """Ids that users have and the server never returned."""
    contradicted: int
    """Requests that are known by an id and reported uncertain (unless an event named it), or reported repeatedly."""
    misattributed: int
    """Uncertain submissions whose event named the task of another one."""
    unreported: int
    """Uncertain errors that were raised and not reported to the hook."""
    unfinished: int
    """Songs that were returned as finished and are not."""
    missing: float
    """Credits charged that no accepted task accounts for."""
    unexpected: tuple[str, ...]
    """Errors that are none of the package's own."""

    @property
    def wrong(self) -> dict[str, object]:
        """The findings that must be zero and are not."""
        names = [field.name for field in attrs.fields(type(self))]
        return {name: found for name in names[names.index("duplicates") :] if (found := getattr(self, name))}


@attrs.define
class UserRecords:
    """What the users requested and what was reported to them."""

    requested: list[str] = attrs.field(factory=list)
    tasks: dict[str, str] = attrs.field(factory=dict)
    """The family of every task whose id a user knows."""
    reported: Counter[str] = attrs.field(factory=Counter)
    """By the hook, by name."""
    raised: set[str] = attrs.field(factory=set)
    """Uncertain errors, by name."""
    recovered: dict[str, str] = attrs.field(factory=dict)
    """The ids of the tasks of uncertain submissions that were found by their events, by name."""
    ended: dict[str, bool] = attrs.field(factory=dict)
    """Tasks that have ended: whether with songs."""
    unfinished: set[str] = attrs.field(factory=set)
    unexpected: list[str] = attrs.field(factory=list)

    def add_request(self, request: Request[Any]) -> None:
        """Note a request before it is sent."""
        self.requested.extend(names_of(request))

    def add_tasks(self, *tasks: Task[Any]) -> None:
        """Note tasks by their ids."""
        self.tasks.update((task.id, task.family) for task in tasks)

    def add_recovered(self, request: Any, task: Task[Any]) -> None:
        """Note the task of an uncertain submission, found by its event."""
        self.recovered.update(dict.fromkeys(names_of(request), task.id))

    def on_uncertain(self, error: errors.UncertainSubmissionError) -> None:
        """Count an uncertain submission: the hook of the client."""
        self.reported.update(names_of(error.request))

    def add_error(self, error: BaseException) -> None:
        """Note an error that was raised to a user."""
        if isinstance(error, errors.UncertainSubmissionError):
            self.raised.update(names_of(error.request))
        elif isinstance(error, errors.TaskFailedError):
            self.ended[error.task_id] = False
        elif not isinstance(error, errors.MusicAPIError):
            self.unexpected.append(repr(error))

    def add_result(self, task_id: str, songs: Songs) -> None:
        """Note songs that a wait returned."""
        self.ended[task_id] = True
        is_whole = all(song.state == "failed" or (song.state == "succeeded" and song.audio_url) for song in songs)
        if not songs or not is_whole or any("/stream/" in (song.audio_url or "") for song in songs):
            self.unfinished.add(task_id)

    def audit(self, accepted: Iterable[SandboxTask], account: Account, had: float) -> Findings:
        """Compare what the users know with what the server accepted and charged."""
        tasks = tuple(accepted)
        times = Counter(name for task in tasks for name in names_of(task.request))
        known = {name for task in tasks if task.task_id in self.tasks for name in names_of(task.request)}
        unknown = [task for task in tasks if task.task_id not in self.tasks]
        contradicted = {
            name for name, count in self.reported.items() if count > 1 or (name in known and name not in self.recovered)
        }
        ids = {name: task.task_id for task in tasks for name in names_of(task.request)}
        charged, refunded = sum(task.price for task in tasks), sum(task.price for task in tasks if task.refunded)
        return Findings(
            requests=len(self.requested),
            accepted=len(tasks),
            uncertain=len(self.reported),
            uncertain_accepted=len(self.reported.keys() & times.keys()),
            recovered=len(self.recovered),
            songs=sum(self.ended.values()),
            failed=len(self.ended) - sum(self.ended.values()),
            charged=charged,
            refunded=refunded,
            duplicates=sum(times.values()) - len(times),
            lost=sum(not set(names_of(task.request)) & self.reported.keys() for task in unknown),
            invented=len(self.tasks.keys() - {task.task_id for task in tasks}),
            contradicted=len(contradicted),
            misattributed=sum(ids.get(name) != task_id for name, task_id in self.recovered.items()),
            unreported=len(self.raised - self.reported.keys()),
            unfinished=len(self.unfinished | (self.tasks.keys() - self.ended.keys())),
            missing=abs(had - account.credits - account.extra_credits - charged + refunded),
            unexpected=tuple(self.unexpected),
        )
