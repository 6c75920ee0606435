"""The async client, ``MusicAPI``: its settings, families and calls, over one engine."""

import os
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import attrs

from musicapi_async._arguments import wrong_argument
from musicapi_async._client_settings import options_of, settings_of, taking
from musicapi_async._notices import describe_tasks, note_tasks, warn_without_log
from musicapi_async._request import STARTS_TASK, Request, TaskRequest
from musicapi_async._settings import Settings
from musicapi_async._tasks.run import Run
from musicapi_async._tasks.submission import Submission
from musicapi_async._tasks.task import Task
from musicapi_async.errors import UncertainSubmissionError
from musicapi_async.media.saved import Progress, SavedFile
from musicapi_async.requests._family import family_property
from musicapi_async.requests.account import Account, GetCredits
from musicapi_async.results import Clip, DownloadFile, Evidence
from musicapi_async.wire.json import JSON

if TYPE_CHECKING:
    from musicapi_async._raw_responses import WithRawResponse
    from musicapi_async.media.caption_formats import CaptionFormat
    from musicapi_async.media.saving import SavedClip
    from musicapi_async.media.timeline import Timeline
    from musicapi_async.requests.lyrics import Lyrics
    from musicapi_async.requests.nuro import Nuro
    from musicapi_async.requests.producer import Producer
    from musicapi_async.requests.riffusion import Riffusion
    from musicapi_async.requests.sonic import Sonic
    from musicapi_async.requests.studio import Studio
    from musicapi_async.requests.suno import Suno
    from musicapi_async.webhooks.client import ClientWebhooks

__all__ = ["MusicAPI"]

R = TypeVar("R")


class MusicAPI:
    """A client of the service: ``async with MusicAPI() as client``.

    Without ``api_key`` the key is taken from ``MUSICAPI_KEY``, without ``base_url`` the URL from ``MUSICAPI_BASE_URL``;
    ``Settings`` describes the other settings. No connection is opened before the first call. Without ``async with``,
    close the client with ``aclose()``.

    ```python
    from musicapi_async import MusicAPI

    async with MusicAPI() as client:
        songs = await client.sonic.describe(description="lofi rain").wait()
        await client.download(songs[0], "rain.mp3")
    ```

    Raises InvalidRequestError when a setting is wrong or no key is given.
    """

    @taking(settings_of)
    def __init__(self, settings: Settings) -> None:
        """Take the settings; what is None comes from the environment, or is the default."""
        # Here, not with this module: it loads the HTTP library, most of what an import of the package would cost.
        from musicapi_async._engine import Engine

        self._engine: Engine = Engine(settings)
        self._root: MusicAPI | None = None

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._engine.settings

    @family_property
    def sonic(self) -> "Sonic":
        """Songs from lyrics or a description, and operations on them."""
        from musicapi_async.requests.sonic import Sonic

        return Sonic(self)

    @family_property
    def producer(self) -> "Producer":
        """One song for each request, made from a sound, from lyrics, or from another clip."""
        from musicapi_async.requests.producer import Producer

        return Producer(self)

    @family_property
    def riffusion(self) -> "Riffusion":
        """Songs with the time of every word; deprecated by the vendor."""
        from musicapi_async.requests.riffusion import Riffusion

        return Riffusion(self)

    @family_property
    def nuro(self) -> "Nuro":
        """Songs with a voice, and instrumentals; retired on some hosts."""
        from musicapi_async.requests.nuro import Nuro

        return Nuro(self)

    @family_property
    def studio(self) -> "Studio":
        """Songs of 130 or 32 seconds; marked unavailable by the vendor."""
        from musicapi_async.requests.studio import Studio

        return Studio(self)

    @family_property
    def suno(self) -> "Suno":
        """Legacy paths; use ``sonic`` and ``lyrics`` instead."""
        from musicapi_async.requests.suno import Suno

        return Suno(self)

    @family_property
    def lyrics(self) -> "Lyrics":
        """Drafts of lyrics."""
        from musicapi_async.requests.lyrics import Lyrics

        return Lyrics(self)

    @family_property
    def account(self) -> Account:
        """The account's balance."""
        return Account(self)

    @property
    def webhooks(self) -> "ClientWebhooks":
        """The events that the service sends to ``webhook_url``."""
        from musicapi_async.webhooks.client import ClientWebhooks

        return ClientWebhooks(self._engine)

    @property
    def with_raw_response(self) -> "WithRawResponse":
        """The same requests, each returned with the status, headers and request id of its response."""
        from musicapi_async._raw_responses import WithRawResponse

        return WithRawResponse(self._engine)

    def submit(self, request: TaskRequest[R]) -> Submission[R]:
        """Start a task and pay for it, once: a request that may have been accepted is never sent again.

        Nothing is sent before the submission is awaited: ``await client.submit(request)`` returns the task, ``await
        client.submit(request).wait()`` also waits for the result.

        Raises InvalidRequestError at once for anything but a request that starts a task; when awaited,
        UncertainSubmissionError if the request may or may not have been accepted, ConnectionFailedError if no
        connection can be made, ClientClosedError on a closed client, and the typed error of a refusal.
        """
        if not isinstance(request, TaskRequest):
            raise wrong_argument("request", request, STARTS_TASK, _request_advice(request))
        return Submission(request, self._engine)

    async def call(self, request: Request[R]) -> R:
        """Send a request that starts no task, and return its result; a file is waited for until it is prepared.

        Raises the typed error of a refusal; UncertainSubmissionError when a paid request may have been accepted;
        NotReadyError when a file is not prepared within three minutes; ConnectionFailedError and InvalidResponseError
        when the attempts at a free request are used up; ClientClosedError on a client that is closed, also meanwhile;
        InvalidRequestError for anything but a request with an immediate result.
        """
        return await self._engine.call(request)

    def run(
        self,
        requests: Iterable[TaskRequest[R]] | AsyncIterable[TaskRequest[R]],
        *,
        in_flight: int = 50,
        timeout: float | None = 600.0,
    ) -> Run[R]:
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
        return Run(self, requests, in_flight, timeout, self._engine.background)

    def attach(self, task: Task[R]) -> Task[R]:
        """Return the same task on this client.

        The task may be unpickled, or come from a closed client or another event loop.

        Raises InvalidRequestError for anything but a task.
        """
        if not isinstance(task, Task):
            raise wrong_argument("task", task, "a Task", "client.<family>.task(id) returns one from its id")
        return self._engine.attach(task)

    def resume(self, operation: type[TaskRequest[R]], task_id: str) -> Task[R]:
        """Resume a task from the request class that started it and its id: ``resume(sonic.BasicStems, task_id)``.

        For songs ``client.<family>.task(task_id)`` is the same.

        Raises InvalidRequestError for a class whose requests start no task, and for an id that cannot be one.
        """
        return self._engine.resume(operation, task_id)

    async def download(
        self, source: Clip | DownloadFile | str, path: str | os.PathLike[str], *, on_progress: Progress | None = None
    ) -> SavedFile:
        """Write a clip's audio, a prepared file, or any file by its URL (such as ``clip.image_url``) to ``path``.

        The file appears under its name only when it is complete. A path without a suffix gets the one that matches the
        content. A download that breaks off is resumed at that byte if its host can confirm that the file is unchanged,
        else from the start. ``on_progress(done, total)`` is called with numbers of bytes (``total`` is None where it is
        not known); ``done`` decreases only when a download starts again. The API key is not sent to the file's host,
        and a host with an address that is not public is refused (``allow_private_addresses``; through a proxy, only an
        address in the URL itself is checked).

        Raises DownloadError when there is no finished audio, the host fails, or the file cannot be written;
        InvalidRequestError, before anything is fetched, when an argument is of the wrong type (such as several songs);
        ClientClosedError on a client that is closed, also meanwhile.
        """
        from musicapi_async.media.download import save  # few clients need it, and it takes a while to import

        return await self._engine.calls.track(save(self._engine.files, self.settings, source, path, on_progress))

    async def save(
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

        All files are named by the clip's title and its whole id; the folder is created if it is missing. Beside the
        audio there is always a ``.json`` file with the clip. Files that are complete are kept: call it again after an
        interruption, and it writes what is missing.

        - ``cover``: download the cover image. One that cannot be had is logged as a warning.
        - ``tags``: write what the clip is into its audio, as ``media.tag`` does; needs the extra ``media``. Audio that
          takes no tags (a fragmented M4A) is kept as it is, and ``SavedClip.tag_error`` says why.
        - ``lyrics``: formats of captions to write beside the audio: ``lrc``, ``srt``, ``vtt``, ``ass``.
        - ``timeline``: the lyrics with their times, for captions and tags. Without it they are those of the clip, or
          those that an earlier call has kept. None are ever bought: a clip of ``sonic`` has none of its own, and
          ``media.Timeline.of(await client.sonic.aligned_lyrics(clip=clip), clip=clip)`` gets them for 1 credit. Where
          there are none, no captions are written, with a warning if the clip has lyrics.

        Raises MissingExtraError for tags without the extra and InvalidRequestError for a wrong argument, both before
        anything is fetched; DownloadError when there is no finished audio, its host fails, or a file cannot be written;
        ClientClosedError when a file is missing and the client is closed, also meanwhile.
        """
        from musicapi_async.media.saving import SaveOptions, save_in_folder

        options = SaveOptions.of(cover=cover, tags=tags, lyrics=lyrics)
        return await save_in_folder(self.download, clip, folder, options, timeline)

    async def read(self, source: Clip | DownloadFile | str, *, max_size: int | None = None) -> bytes:
        """Return the bytes of a clip's audio, of a prepared file, or of any file by its URL.

        As ``download``, without a file: only a complete file is returned. ``max_size`` is the maximum number of bytes;
        None for the setting ``max_file_size`` (1 GiB).

        Raises DownloadError when there is no finished audio, the host fails, or the file is larger than the limit (one
        that announces its size, before it is received); InvalidRequestError, before anything is fetched, when an
        argument is wrong; ClientClosedError on a client that is closed, also meanwhile.
        """
        from musicapi_async.media.memory import read

        return await self._engine.calls.track(read(self._engine.files, self.settings, source, max_size))

    def stream(self, source: Clip | DownloadFile | str) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a file as they arrive, also of a clip that is still running (its ``stream_url``).

        Chunks have any length; the first comes once it can be distinguished from an error page. A file that breaks off
        is resumed at that byte, or from the start when all that was yielded comes again unchanged. At most two chunks
        are received ahead of the consumer; of all downloads and open streams, 32 receive at a time. A generator that is
        left early releases its connection at once when it is closed (``contextlib.aclosing``), else soon after. The
        limits are those of ``download``.

        Raises InvalidRequestError at once for an argument of the wrong type, DownloadError at once for a clip without
        audio; during the iteration DownloadError when the host fails or the file changes, and ClientClosedError on a
        client that is closed, also meanwhile.
        """
        from musicapi_async.media.memory import stream

        return stream(self._engine.files, self.settings, self._engine.calls, source)

    async def request(self, method: str, path: str, *, json: Mapping[str, JSON] | None = None) -> dict[str, JSON]:
        """Call an endpoint that this package does not know, such as ``request("POST", "/sonic/new", json={...})``.

        Returns the response's JSON object. Only a GET is treated as free and retried.

        Raises the typed error of a refusal; UncertainSubmissionError when the request may have been accepted;
        InvalidRequestError for a wrong argument; ConnectionFailedError, InvalidResponseError and ClientClosedError as
        ``call`` does.
        """
        return dict(await self._engine.request(method, path, json))

    async def investigate(self, error: UncertainSubmissionError) -> Evidence:
        """Check the balance and compare it with the last one that was checked before an uncertain request.

        Call ``client.account.credits()`` before you spend, so that there is a balance to compare with, and wait a
        minute first: the service may still be working on the request. The client never does this by itself.

        Raises the errors of ``account.credits()``, and InvalidRequestError for any other error than an
        UncertainSubmissionError.
        """
        if not isinstance(error, UncertainSubmissionError):
            raise wrong_argument("error", error, "an UncertainSubmissionError")
        return await self._engine.investigate(error, GetCredits())

    @taking(options_of)
    def with_options(self, changes: Mapping[str, Any]) -> Self:
        """Return a view of this client with other settings on the same connections.

        Settings that all views share, such as ``max_requests`` or ``proxy``, belong to the client alone. Closing a view
        does nothing: keep the client it came from, and close that.

        Raises InvalidRequestError when a setting is wrong, TypeError for one that all views share.
        """
        view = object.__new__(type(self))
        view._engine = self._engine.view(attrs.evolve(self.settings, **changes))
        # A view keeps its root, which would otherwise warn of open connections when it is collected.
        view._root = self._root or self
        return view

    async def aclose(self) -> None:
        """Close the client: waits raise ClientClosedError, paid requests get their responses, sockets close.

        May be called twice. Paid tasks that are still running on the server are named in the log, at WARNING, and on
        standard error where logging is not set up.
        """
        _warn_of(await self._engine.close())

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client; an exception gets a note of the paid tasks that are still running."""
        left = await self._engine.close()
        if error is not None:
            note_tasks(error, left)
        if error is None or isinstance(error, SystemExit):  # whose notes are not shown
            _warn_of(left)

    def __repr__(self) -> str:
        """Show the settings, without the key."""
        # A client whose settings were refused has no engine, and may be shown in the traceback.
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
    """Name the paid tasks that a client leaves running, if logging is not set up."""
    if left:
        warn_without_log(describe_tasks(left.values()))


def _request_advice(given: object) -> str:
    from musicapi_async._protocol import request_advice

    return request_advice(given)
