"""MusicAPI, the client: its settings, families and calls, over one engine."""

import os
import warnings
from collections.abc import AsyncIterable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import attrs

from musicapi_async._arguments import wrong_argument
from musicapi_async._client_settings import options_of, settings_of, taking
from musicapi_async._engine import Engine
from musicapi_async._notices import describe_tasks, note_tasks, warn_without_log
from musicapi_async._request import Request, TaskRequest
from musicapi_async._settings import Settings
from musicapi_async._tasks.run import Run
from musicapi_async._tasks.submission import Submission
from musicapi_async._tasks.task import Task
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.requests.account import Account, GetCredits
from musicapi_async.results import Clip, DownloadFile, Evidence

if TYPE_CHECKING:
    from musicapi_async.requests.lyrics import Lyrics
    from musicapi_async.requests.nuro import Nuro
    from musicapi_async.requests.producer import Producer
    from musicapi_async.requests.riffusion import Riffusion
    from musicapi_async.requests.sonic import Sonic
    from musicapi_async.requests.studio import Studio
    from musicapi_async.requests.suno import Suno

__all__ = ["JSON", "MusicAPI"]

R = TypeVar("R")
JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


class MusicAPI:
    """A client of the service: ``async with MusicAPI() as client``.

    ``api_key`` comes from here or from ``MUSICAPI_KEY``, ``base_url`` from here or from ``MUSICAPI_BASE_URL``; the
    other settings are described in ``Settings``. Nothing is opened before the first call. Without ``async with``,
    close it with ``aclose()``.

    Raises InvalidRequestError when a setting is wrong or no key is given.
    """

    @taking(settings_of)
    def __init__(self, settings: Settings) -> None:
        """Take the settings; what is None comes from the environment, or is the default."""
        self._engine = Engine(settings)
        self._root: MusicAPI | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._engine.settings

    @property
    def sonic(self) -> "Sonic":
        """Songs from lyrics or a description, and what can be done with them."""
        from musicapi_async.requests.sonic import Sonic

        return Sonic(self)

    @property
    def producer(self) -> "Producer":
        """One song for each request, made from a sound, from lyrics, or from another clip."""
        from musicapi_async.requests.producer import Producer

        return Producer(self)

    @property
    def riffusion(self) -> "Riffusion":
        """Songs with the time of every word; deprecated by the vendor."""
        from musicapi_async.requests.riffusion import Riffusion

        return Riffusion(self)

    @property
    def nuro(self) -> "Nuro":
        """Songs with a voice, and instrumentals; retired on some hosts."""
        from musicapi_async.requests.nuro import Nuro

        return Nuro(self)

    @property
    def studio(self) -> "Studio":
        """Songs of 130 or 32 seconds; marked unavailable by the vendor."""
        from musicapi_async.requests.studio import Studio

        return Studio(self)

    @property
    def suno(self) -> "Suno":
        """Legacy addresses; ``sonic`` and ``lyrics`` are the way to go."""
        from musicapi_async.requests.suno import Suno

        return Suno(self)

    @property
    def lyrics(self) -> "Lyrics":
        """Drafts of words for a song."""
        from musicapi_async.requests.lyrics import Lyrics

        return Lyrics(self)

    @property
    def account(self) -> Account:
        """The account's balance."""
        return Account(self)

    def submit(self, request: TaskRequest[R]) -> Submission[R]:
        """Start a task: pays for it, once. The request is never sent again when it may have been accepted.

        Nothing is sent before the submission is awaited: ``await client.submit(request)`` returns the task, ``await
        client.submit(request).wait()`` waits for the result as well.

        Raises InvalidRequestError at once for what is no such request; awaited, UncertainSubmissionError when it is not
        known whether the request was accepted, and the typed error of a refusal.
        """
        return self._engine.submission(request)

    async def call(self, request: Request[R]) -> R:
        """Ask for an answer that comes at once, or as soon as the service has prepared it.

        Raises the typed error of a refusal; UncertainSubmissionError when a paid request may have been accepted;
        NotReadyError when a file is not prepared within three minutes.
        """
        return await self._engine.call(request)

    def run(
        self,
        requests: Iterable[TaskRequest[R]] | AsyncIterable[TaskRequest[R]],
        *,
        in_flight: int = 10,
        timeout: float | None = 600.0,
    ) -> Run[R]:
        """Start a task for every request, wait for at most ``in_flight`` at once, and yield outcomes as they finish.

        ``timeout`` is the time in seconds to wait for each. One that fails is an outcome with an ``error``.
        """
        return Run(self, requests, in_flight, timeout, self._engine.background)

    def attach(self, task: Task[R]) -> Task[R]:
        """Return the same task on this client: for one that came from a closed client or another event loop."""
        if not isinstance(task, Task):
            raise wrong_argument("task", task, "a Task", "from its id client.<family>.task(id) makes one")
        return self._engine.attach(task)

    def resume(self, operation: type[TaskRequest[R]], task_id: str) -> Task[R]:
        """Take up a task from what started it and its id, such as ``resume(sonic.BasicStems, task_id)``.

        For songs ``client.<family>.task(task_id)`` is the same.
        """
        return self._engine.resume(operation, task_id)

    async def download(
        self, source: Clip | DownloadFile | str, path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> SavedFile:
        """Write a clip's audio, a prepared file, or any file by its URL (such as ``clip.image_url``) to ``path``.

        The file appears under its name only when it is whole. A path without a suffix gets the one its content asks
        for. A download that breaks off goes on where it broke off if its host can tell that the file is still the
        same, else from its start; ``on_progress(done, total)`` is called with bytes, and ``done`` goes back only then.
        The API key is not sent to the file's host, and a host with an address that is not public is refused
        (``allow_private_addresses``; through a proxy only addresses in the URL itself are).

        Raises DownloadError when there is no finished audio, the host fails, or the file cannot be written;
        InvalidRequestError when an argument is of the wrong type (several songs instead of one), before anything is
        fetched.
        """
        from musicapi_async.media.download import save  # few clients need it, and it takes a while to import

        return await self._engine.track(save(self._engine.files, self.settings, source, path, on_progress))

    async def request(self, method: str, path: str, *, json: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
        """Call an endpoint this package does not know, such as ``request("POST", "/sonic/new", json={...})``.

        Returns the reply's JSON object. Only a GET is taken for free and repeated.

        Raises the typed error of a refusal; UncertainSubmissionError when the request may have been accepted.
        """
        return dict(await self._engine.request(method, path, json))

    async def look_into(self, error: UncertainSubmissionError) -> Evidence:
        """Ask for the balance and set it against the last one that was asked for before an uncertain request.

        Ask for ``client.account.credits()`` before you spend, so that there is something to compare with; and give the
        service a minute: it may still be at work on the request. Nothing here is ever done by itself.

        Raises what ``account.credits()`` raises.
        """
        if not isinstance(error, UncertainSubmissionError):
            raise wrong_argument("error", error, "an UncertainSubmissionError")
        return await self._engine.investigate(error, GetCredits())

    @taking(options_of)
    def with_options(self, changes: Mapping[str, Any]) -> Self:
        """Return a view of this client with other settings on the same connections.

        What the views have in common, such as ``max_requests`` or ``proxy``, is set on the client alone. Closing a view
        does nothing: keep the client it came from, and close that.
        """
        view = object.__new__(type(self))
        view._engine = self._engine.view(attrs.evolve(self.settings, **changes))
        # A view keeps its root: dropped, it would warn of connections that are still in use.
        view._root = self._root or self
        return view

    async def aclose(self) -> None:
        """Close the client: waiting ends with ClientClosedError, paid requests get their answers, sockets close.

        May be called twice. Paid tasks that are still running on the server are named in the log, at WARNING, and on
        standard error where logging is not set up.
        """
        _warn_of(await self._engine.close())

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; an exception gets a note of the paid tasks that are still running."""
        left = await self._engine.close()
        if error is not None:
            note_tasks(error, left)
        if error is None or isinstance(error, SystemExit):  # whose notes are not shown
            _warn_of(left)

    def __repr__(self) -> str:
        """Show the settings, without the key."""
        # A client whose settings were refused has none, and shows in the traceback.
        engine = getattr(self, "_engine", None)
        return f"MusicAPI({None if engine is None else engine.settings!r})"

    def __del__(self) -> None:
        """Warn of a client that was used and not closed."""
        engine = getattr(self, "_engine", None)
        if engine is not None and not engine.is_view and engine.is_open:
            warnings.warn(
                "a MusicAPI client was not closed: use 'async with', or aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


def _warn_of(left: Mapping[str, str]) -> None:
    """Name the paid tasks that a client leaves, which its log has named already."""
    if left:
        warn_without_log(describe_tasks(left.values()))
