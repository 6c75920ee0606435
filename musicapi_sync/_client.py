"""The blocking client, ``MusicAPI``."""

import importlib
import inspect
import os
import warnings
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import attrs

import musicapi_async
from musicapi_async import JSON, Clip, DownloadFile, Evidence, Request, SavedFile, Settings, TaskRequest
from musicapi_async._client_settings import options_of, settings_of, taking
from musicapi_async._notices import note_tasks
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.requests._family import family_property
from musicapi_sync._loop_thread import LoopThread, View
from musicapi_sync._tasks import Run, Task, describe_response, generator_of

if TYPE_CHECKING:
    from musicapi_async.media.caption_formats import CaptionFormat
    from musicapi_async.media.saving import SavedClip
    from musicapi_async.media.timeline import Timeline
    from musicapi_sync._families import Account, Lyrics, Nuro, Producer, Riffusion, Sonic, Studio, Suno
    from musicapi_sync._raw_responses import WithRawResponse
    from musicapi_sync._webhooks import ClientWebhooks

__all__ = ["MusicAPI"]

R = TypeVar("R")
LOADED_LATER: Final = (
    "anyio.from_thread",
    "musicapi_async._engine",
    "musicapi_sync._families",
    "musicapi_sync._webhooks",
)
"""The modules that are loaded when a client is made: not with the package, whose import they would double, nor at the
first use, where a signal handler that uses the client as well would find them half loaded."""


class MusicAPI:
    """A blocking client of the service: ``with MusicAPI() as client``.

    It takes the arguments of ``musicapi_async.MusicAPI``. Any number of threads may share one client, and it may be
    used in a notebook; a forked child gets connections of its own. Without ``with``, close it with ``close()``. It may
    not be called from an ``atexit`` handler.

    Paid tasks and results that an interruption (Ctrl-C, or any exception) leaves at the service without their being
    returned to you are named in a note on the exception and in a warning of the ``musicapi`` logger; so are those left
    in a run when the client is closed, at the latest when the process exits. Where logging is not set up, these
    warnings go to standard error.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        songs = client.sonic.describe(description="lofi rain").wait()
        client.download(songs[0], "rain.mp3")
    ```

    Raises InvalidRequestError when a setting is wrong or no key is given.
    """

    @taking(settings_of)
    def __init__(self, settings: Settings) -> None:
        """Take the settings; what is None comes from the environment, or is the default."""
        for module in LOADED_LATER:
            importlib.import_module(module)
        self._settings = settings
        self._view = View(LoopThread(self._settings), {})
        self._root: MusicAPI | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @family_property
    def sonic(self) -> "Sonic":
        """Songs from lyrics or a description, and operations on them."""
        from musicapi_sync._families import Sonic

        return Sonic(self)

    @family_property
    def producer(self) -> "Producer":
        """One song for each request, made from a sound, from lyrics, or from another clip."""
        from musicapi_sync._families import Producer

        return Producer(self)

    @family_property
    def riffusion(self) -> "Riffusion":
        """Songs with the time of every word; deprecated by the vendor."""
        from musicapi_sync._families import Riffusion

        return Riffusion(self)

    @family_property
    def nuro(self) -> "Nuro":
        """Songs with a voice, and instrumentals; retired on some hosts."""
        from musicapi_sync._families import Nuro

        return Nuro(self)

    @family_property
    def studio(self) -> "Studio":
        """Songs of 130 or 32 seconds; marked unavailable by the vendor."""
        from musicapi_sync._families import Studio

        return Studio(self)

    @family_property
    def suno(self) -> "Suno":
        """Legacy paths; use ``sonic`` and ``lyrics`` instead."""
        from musicapi_sync._families import Suno

        return Suno(self)

    @family_property
    def lyrics(self) -> "Lyrics":
        """Drafts of lyrics."""
        from musicapi_sync._families import Lyrics

        return Lyrics(self)

    @family_property
    def account(self) -> "Account":
        """The account's balance."""
        from musicapi_sync._families import Account

        return Account(self)

    @property
    def webhooks(self) -> "ClientWebhooks":
        """The events that the service sends to ``webhook_url``."""
        from musicapi_sync._webhooks import ClientWebhooks

        return ClientWebhooks(self._view)

    @property
    def with_raw_response(self) -> "WithRawResponse":
        """The same requests, each returned with the status, headers and request id of its response."""
        from musicapi_sync._raw_responses import WithRawResponse

        return WithRawResponse(self._view)

    def submit(self, request: TaskRequest[R]) -> Task[R]:
        """Start a task and pay for it, once: a request that may have been accepted is never sent again.

        Raises the errors of ``musicapi_async.MusicAPI.submit``.
        """

        def describe_task(task: musicapi_async.Task[R] | None) -> str | None:
            return None if task is None else task._describe_pending()

        return Task(self._view, self._view.call(lambda client, _: client.submit(request), describe_task))

    def call(self, request: Request[R]) -> R:
        """Send a request that starts no task, and return its result; a file is waited for until it is prepared.

        Raises the errors of ``musicapi_async.MusicAPI.call``.
        """
        return self._view.call(
            lambda client, _: client.call(request), describe_response(getattr(request, "method", ""))
        )

    def run(self, requests: Iterable[TaskRequest[R]], *, in_flight: int = 50, timeout: float | None = 600.0) -> Run[R]:
        """Start a task for every request, wait for at most ``in_flight`` at once, and yield outcomes as they finish.

        ``timeout`` is the time to wait for each task, in seconds; None for no limit. A failure is an outcome with an
        ``error``: also a task that takes longer, which this run leaves running on the server, while ``bulk.run``, which
        has the same defaults, polls it again later. 50 songs of 150 seconds need one paid request in 3 seconds, the
        service's documented rate: more in flight is faster only where your account's rate is higher.

        For a list of requests with different results, annotate it, and type checkers know these:
        ``requests: list[TaskRequest[Songs | Stems]] = [...]``.

        Raises InvalidRequestError for a wrong argument; the run itself raises an error of ``requests``, such as an item
        that is no request, once the outcomes of the started tasks were returned.
        """
        return Run(self._view, requests, in_flight, timeout)

    def resume(self, operation: type[TaskRequest[R]], task_id: str) -> Task[R]:
        """Resume a task from the request class that started it and its id: ``resume(sonic.BasicStems, task_id)``.

        For songs ``client.<family>.task(task_id)`` is the same.

        Raises InvalidRequestError for a class whose requests start no task, and for an id that cannot be one.
        Raises ClientClosedError on a closed client.
        """

        async def resume(client: musicapi_async.MusicAPI, _: object) -> musicapi_async.Task[R]:
            return client.resume(operation, task_id)

        return Task(self._view, self._view.call(resume))

    def attach(self, task: Task[R]) -> Task[R]:
        """Return the same task on this client: for a task of a closed client, or an unpickled one.

        Raises InvalidRequestError for anything but a task, ClientClosedError on a closed client.
        """

        async def attach(client: musicapi_async.MusicAPI, _: object) -> musicapi_async.Task[R]:
            # The core refuses anything that is not a task.
            return client.attach(task._task if isinstance(task, Task) else task)

        return Task(self._view, self._view.call(attach))

    def download(
        self,
        source: Clip | DownloadFile | str,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int, int | None], None] | None = None,
    ) -> SavedFile:
        """Write a clip's audio, a prepared file, or any file by its URL (such as ``clip.image_url``) to ``path``.

        As ``musicapi_async.MusicAPI.download``; ``on_progress`` is called in the calling thread.

        Raises the errors of ``musicapi_async.MusicAPI.download``.
        """
        # The core refuses anything that is not a plain function.
        given: object = on_progress
        is_plain = callable(given) and not inspect.iscoroutinefunction(given)
        return self._view.call(
            lambda client, call: client.download(
                source,
                path,
                on_progress=call.run_in_caller_thread(on_progress)
                if on_progress is not None and is_plain
                else on_progress,
            )
        )

    def save(
        self,
        clip: Clip,
        folder: str | os.PathLike[str],
        *,
        cover: bool = True,
        tags: bool = False,
        lyrics: "Sequence[CaptionFormat]" = (),
        timeline: "Timeline | None" = None,
    ) -> "SavedClip":
        """Write a finished clip into a folder: its audio and cover, and on request its tags and captions.

        All files are named by the clip's title and its whole id. See ``musicapi_async.MusicAPI.save``, which describes
        the arguments and raises the same.
        """
        return self._view.call(
            lambda client, _: client.save(clip, folder, cover=cover, tags=tags, lyrics=lyrics, timeline=timeline)
        )

    def read(self, source: Clip | DownloadFile | str, *, max_size: int | None = None) -> bytes:
        """Return the bytes of a clip's audio, of a prepared file, or of any file by its URL.

        As ``download``, without a file: only a complete file is returned. ``max_size`` is the maximum number of bytes;
        None for the setting ``max_file_size`` (1 GiB).

        Raises the errors of ``musicapi_async.MusicAPI.read``.
        """
        return self._view.call(lambda client, _: client.read(source, max_size=max_size))

    def stream(self, source: Clip | DownloadFile | str) -> Generator[bytes, None, None]:
        """Yield the bytes of a file as they arrive, also of a clip that is still running (its ``stream_url``).

        A generator that is left early (``break``) releases its connection. See ``musicapi_async.MusicAPI.stream``,
        which raises the same.
        """

        async def start(
            client: musicapi_async.MusicAPI, _: object
        ) -> tuple[musicapi_async.MusicAPI, AsyncGenerator[bytes, None]]:
            return client, client.stream(source)

        return generator_of(self._view, *self._view.call(start))

    def request(self, method: str, path: str, *, json: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
        """Call an endpoint that this package does not know, such as ``request("POST", "/sonic/new", json={...})``.

        Returns the response's JSON object. Only a GET is treated as free and retried.

        Raises the errors of ``musicapi_async.MusicAPI.request``.
        """
        return self._view.call(lambda client, _: client.request(method, path, json=json), describe_response(method))

    def investigate(self, error: UncertainSubmissionError) -> Evidence:
        """Check the balance and compare it with the last one that was checked before an uncertain request.

        See ``musicapi_async.MusicAPI.investigate``, which raises the same.
        """
        return self._view.call(lambda client, _: client.investigate(error))

    @taking(options_of)
    def with_options(self, changes: Mapping[str, Any]) -> Self:
        """Return a view of this client with other settings on the same connections.

        Settings that all views share, such as ``max_requests`` or ``proxy``, belong to the client alone. Closing a view
        does nothing: keep the client it came from, and close that.

        Raises InvalidRequestError when a setting is wrong, TypeError for one that all views share.
        """
        view = object.__new__(type(self))
        view._settings = attrs.evolve(self._settings, **changes)
        view._view = View(self._view.loop, {**self._view.options, **changes})
        # A view keeps its root, which would otherwise warn of open connections when it is collected.
        view._root = self._root or self
        return view

    def close(self) -> None:
        """Close the client: calls in flight raise ClientClosedError, paid requests get their responses, sockets close.

        Tasks that its runs leave at the service are logged as a warning. May be called twice.
        """
        if self._root is None:
            self._view.loop.close()

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; an exception gets a note of the tasks left running."""
        if self._root is None:
            left, running = self._view.loop.close()
            if error is not None:
                for sentence in left:
                    error.add_note(sentence)
                note_tasks(error, running)

    def __repr__(self) -> str:
        """Show the settings, without the key."""
        # A client whose settings were refused has none, and may be shown in the traceback.
        return f"MusicAPI({getattr(self, '_settings', None)!r})"

    def __del__(self) -> None:
        """Warn of a client that was used and not closed."""
        view = getattr(self, "_view", None)
        if view is not None and self._root is None and view.loop.is_running:
            warnings.warn(
                "a MusicAPI client was not closed: use 'with', or close()", ResourceWarning, stacklevel=2, source=self
            )
