"""Public methods given a wrong value: a typed error says what to pass, before anything is sent or written."""

import asyncio
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pytest
from scripted import respond, scripted

import musicapi_async.bulk
import musicapi_sync.bulk
from musicapi_async import (
    Clip,
    ExtendedSong,
    MusicAPI,
    Outcome,
    ReplacedSection,
    Songs,
    Stem,
    UploadedClip,
    errors,
    sonic,
)
from musicapi_async.results import DownloadFile, DownloadFiles, ExtendedSongs, Midi, SharedSong, Stems

WORDS: Final = "my secret lyrics"
KEY: Final = "secret-key-of-some-length"
CLIP: Final = Clip(clip_id="c-1", state="succeeded", audio_url="http://127.0.0.1:9/a.mp3", lyrics=WORDS, title=WORDS)
SONGS: Final = Songs(clips=(CLIP, CLIP))
REQUEST: Final = sonic.Create(lyrics=WORDS)

WRONG_CLIPS: Final[Mapping[str, tuple[Any, str]]] = MappingProxyType(
    {
        "songs": (SONGS, r"songs\[0\]"),
        "no songs": (Songs(failed=(CLIP,)), "it is empty"),
        "list": ([CLIP], r"songs\[0\]"),
        "tuple": ((CLIP, CLIP), r"songs\[0\]"),
        "empty list": ([], "it is empty"),
        "stems": (Stems(stems=(Stem("vocals", CLIP),)), r"stems\[0\]\.clip"),
        "stem": (Stem("vocals", CLIP), r"stem\.clip"),
        "extended song": (ExtendedSong(CLIP), r"song\.extended"),
        "extended songs": (ExtendedSongs(songs=(ExtendedSong(CLIP),)), r"songs\[0\]\.extended"),
        "replaced section": (ReplacedSection(CLIP), r"section\.replaced"),
        "files": (DownloadFiles(files=(DownloadFile("http://h/a"),)), r"files\[0\]"),
        "none": (None, "None"),
        "dict": ({"clip_id": "c-1", "lyrics": WORDS}, "of type dict"),
        "bytes": (WORDS.encode(), "of type bytes"),
        "path": (Path(WORDS), "on this machine"),
        "number": (5, "5"),
        "class": (Clip, "the class Clip"),
        "outcome": (Outcome(request=REQUEST, result=SONGS), r"\.result\[0\]"),
        "request": (REQUEST, "of type Create"),
        "midi": (Midi(url="http://h/a.mid"), r"midi\.url"),
        "shared song": (SharedSong(audio_url="http://h/a"), r"song\.audio_url"),
    }
)


def check(error: errors.InvalidRequestError, field: str) -> None:
    """Check what each such error promises."""
    assert isinstance(error, ValueError)
    assert error.field == field
    for text in (str(error), repr(error)):
        assert WORDS not in text
        assert KEY not in text
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here
    assert str(again) == str(error)


@pytest.mark.parametrize(("source", "advice"), WRONG_CLIPS.values(), ids=WRONG_CLIPS)
async def test_download_of_a_wrong_source_says_what_to_pass(source: Any, advice: str, tmp_path: Path) -> None:
    async with scripted(respond(200, b"ID3")) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match=f"source is .*{advice}") as caught:
            await client.download(source, tmp_path / "song.mp3")

        assert server.connections == 0
    check(caught.value, "source")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("source", "advice"), WRONG_CLIPS.values(), ids=WRONG_CLIPS)
def test_blocking_download_of_a_wrong_source_says_the_same(source: Any, advice: str, tmp_path: Path) -> None:
    with (
        musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client,
        pytest.raises(errors.InvalidRequestError, match=f"source is .*{advice}") as caught,
    ):
        client.download(source, tmp_path / "song.mp3")

    check(caught.value, "source")
    assert os.listdir(tmp_path) == []


async def test_download_of_a_task_says_to_wait_for_it(tmp_path: Path) -> None:
    async with MusicAPI(KEY) as client:
        task = client.sonic.task("t-1")
        with pytest.raises(errors.InvalidRequestError, match=r"Task.*await task\.wait\(\), then songs\[0\]") as caught:
            await client.download(task, tmp_path / "song")  # type: ignore[arg-type]  # the mistake that is tested
        check(caught.value, "source")
        waiting = task.wait()
        with pytest.raises(errors.InvalidRequestError, match="await it first"):
            await client.download(waiting, tmp_path / "song")  # type: ignore[arg-type]  # the mistake that is tested
        waiting.close()


def test_blocking_download_of_a_task_says_to_wait_for_it(tmp_path: Path) -> None:
    with musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client:
        task = client.sonic.task("t-1")
        with pytest.raises(errors.InvalidRequestError, match=r"songs = task\.wait\(\), then songs\[0\]") as caught:
            client.download(task, tmp_path / "song")  # type: ignore[arg-type]  # the mistake that is tested
    check(caught.value, "source")


@pytest.mark.parametrize("path", [None, 5, b"song.mp3", ["song.mp3"], CLIP])
async def test_download_to_a_wrong_path_is_a_typed_error(path: Any) -> None:
    async with scripted(respond(200, b"ID3")) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="path is .*; it must be a str or a path") as caught:
            await client.download(f"{server.base_url}/song", path)

        assert server.connections == 0
    check(caught.value, "path")


@pytest.mark.parametrize("path", ["", ".", "/"])
async def test_download_to_a_directory_is_refused_before_it_is_fetched(path: str) -> None:
    async with scripted(respond(200, b"ID3")) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.DownloadError, match="it is a directory; name a file in it"):
            await client.download(f"{server.base_url}/song", path)

        assert server.connections == 0


async def test_download_to_a_name_with_a_slash_at_its_end_is_refused(tmp_path: Path) -> None:
    async with scripted(respond(200, b"ID3")) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match=r"names a folder; .* client\.save") as caught:
            await client.download(f"{server.base_url}/song", f"{tmp_path}/songs/")

        assert server.connections == 0
    check(caught.value, "path")
    assert not list(tmp_path.iterdir())


async def progress(done: int, total: int | None) -> None:
    """Take what no download can give to a coroutine function."""
    raise AssertionError((done, total))


@pytest.mark.parametrize("on_progress", [5, "print", progress, [print]])
async def test_download_with_a_wrong_progress_is_a_typed_error(on_progress: Any, tmp_path: Path) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match="on_progress is"),
        ):
            client.download(f"{server.base_url}/song", tmp_path / "a", on_progress=on_progress)

    async with scripted(respond(200, b"ID3")) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="on_progress is") as caught:
            await client.download(f"{server.base_url}/song", tmp_path / "a", on_progress=on_progress)
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    check(caught.value, "on_progress")


async def test_download_by_the_id_of_a_clip_says_to_pass_the_clip(tmp_path: Path) -> None:
    async with MusicAPI(KEY) as client:
        with pytest.raises(errors.DownloadError, match="for a clip pass the Clip, not its id"):
            await client.download("c-1", tmp_path / "song")


@pytest.mark.parametrize(("clip", "advice"), WRONG_CLIPS.values(), ids=WRONG_CLIPS)
async def test_operation_on_a_wrong_clip_says_what_to_pass(clip: Any, advice: str) -> None:
    async with scripted(respond(200, {"task_id": "t-1"})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match=f"clip is .*{advice}") as caught:
            await client.sonic.extend(clip=clip, at=60)
        check(caught.value, "clip")
        with pytest.raises(errors.InvalidRequestError, match=rf"clips\[1\] is .*{advice}") as caught:
            await client.sonic.mashup(clips=["c-1", clip])
        check(caught.value, "clips")
        with pytest.raises(errors.InvalidRequestError, match=f"clip is .*{advice}") as caught:
            await client.sonic.bpm(clip=clip)

        assert server.connections == 0


@pytest.mark.parametrize("clips", [None, 5, CLIP, "c-1", [CLIP], SONGS[:1]])
def test_operation_on_a_wrong_number_of_clips_is_a_typed_error(clips: Any) -> None:
    with pytest.raises(errors.InvalidRequestError, match="clips .* exactly 2 clips") as caught:
        sonic.Mashup(clips=clips)

    check(caught.value, "clips")


def test_operation_takes_songs_for_its_clips() -> None:
    assert sonic.Mashup(clips=SONGS).clips == ("c-1", "c-1")


NOT_TASKS: Final[Mapping[str, tuple[Any, str]]] = MappingProxyType(
    {
        "clip": (CLIP, "of type Clip"),
        "dict": ({"lyrics": WORDS}, "of type dict"),
        "none": (None, "None"),
        "text": (WORDS, "a text of"),
        "class": (sonic.Create, r"make one with its fields, sonic\.Create\(\.\.\.\)"),
        "list": ([REQUEST], r"client\.run\(requests\)"),
        "call": (sonic.GetBpm(clip="c-1"), r"sonic\.bpm answers at once, pass it to call\(\)"),
    }
)


@pytest.mark.parametrize(("request_given", "advice"), NOT_TASKS.values(), ids=NOT_TASKS)
async def test_submit_of_a_wrong_value_says_what_to_pass(request_given: Any, advice: str) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match=f"request is .*{advice}"),
        ):
            client.submit(request_given)

    async with scripted(respond(200, {})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match=f"request is .*{advice}") as caught:
            await client.submit(request_given)
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    check(caught.value, "request")


@pytest.mark.parametrize("request_given", [REQUEST, CLIP, None, {"lyrics": WORDS}, sonic.GetBpm, "bpm"])
async def test_call_of_a_wrong_value_is_a_typed_error(request_given: Any) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match="request is .*; it must be"),
        ):
            client.call(request_given)

    async with scripted(respond(200, {})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="request is .*; it must be") as caught:
            await client.call(request_given)
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    check(caught.value, "request")


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        ("sonic.create", r"'sonic\.create'; .*such as sonic\.Create"),
        (WORDS, "a text of"),
        (REQUEST, "pass the class Create"),
        (None, "None"),
        (sonic.GetBpm, "the class GetBpm"),
        (int, "the class int"),
    ],
)
async def test_resume_of_a_wrong_operation_says_what_to_pass(operation: Any, advice: str) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client,
            pytest.raises(errors.InvalidRequestError, match=f"operation is .*{advice}"),
        ):
            client.resume(operation, "t-1")

    async with MusicAPI(KEY) as client:
        with pytest.raises(errors.InvalidRequestError, match=f"operation is .*{advice}") as caught:
            client.resume(operation, "t-1")
        await asyncio.to_thread(blocking)
    check(caught.value, "operation")


async def test_task_of_a_wrong_id_is_a_typed_error() -> None:
    async with MusicAPI(KEY) as client:
        for wrong in (None, 5, "", b"t-1", {"task_id": "t-1"}, ["t-1"]):
            with pytest.raises(errors.InvalidRequestError, match="task_id is .*; it must be the id") as caught:
                client.sonic.task(wrong)  # type: ignore[arg-type]  # the mistake that is tested
            check(caught.value, "task_id")
        with pytest.raises(errors.InvalidRequestError, match=r"pass task\.id"):
            client.sonic.task(client.sonic.task("t-1"))  # type: ignore[arg-type]  # the mistake that is tested


@pytest.mark.parametrize(
    ("requests", "advice"), [(REQUEST, r"\[request\]"), (None, "it must be"), (sonic.Create, "it")]
)
async def test_run_of_a_value_that_is_not_iterable_is_a_typed_error(requests: Any, advice: str) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client,
            pytest.raises(errors.InvalidRequestError, match=r"requests is .*it must be an iterable.*\[request\]"),
        ):
            client.run(requests)

    async with MusicAPI(KEY) as client:
        with pytest.raises(errors.InvalidRequestError, match=f"requests is .*{advice}") as caught:
            client.run(requests)
        await asyncio.to_thread(blocking)
    check(caught.value, "requests")


@pytest.mark.parametrize(
    "requests", [[CLIP], [None], WORDS, {"lyrics": WORDS}, [sonic.GetBpm(clip="c")], [sonic.Create]]
)
async def test_run_of_an_iterable_without_requests_is_a_typed_error(requests: Any) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match="one of requests is"),
        ):
            list(client.run(requests))

    async with scripted(respond(200, {})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="one of requests is") as caught:
            await anext(client.run(requests))
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    check(caught.value, "requests")


@pytest.mark.parametrize("task", [None, "t-1", CLIP, SONGS, sonic.Create])
async def test_attach_of_a_wrong_value_is_a_typed_error(task: Any) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client,
            pytest.raises(errors.InvalidRequestError, match="task is .*; it must be a Task"),
        ):
            client.attach(task)

    async with MusicAPI(KEY) as client:
        with pytest.raises(errors.InvalidRequestError, match="task is .*; it must be a Task") as caught:
            client.attach(task)
        await asyncio.to_thread(blocking)
    check(caught.value, "task")


@pytest.mark.parametrize("error", [None, "it failed", CLIP, ValueError("x"), errors.ClientClosedError()])
async def test_investigation_of_a_wrong_value_is_a_typed_error(error: Any) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match="error is .*; it must be an UncertainSubmissionError"),
        ):
            client.investigate(error)

    async with scripted(respond(200, {"credits": 5})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError, match="error is .*; it must be an Uncertain") as caught:
            await client.investigate(error)
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    check(caught.value, "error")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda client: client.request("PUT", "/x"), "method"),
        (lambda client: client.request(None, "/x"), "method"),
        (lambda client: client.request(["GET"], "/x"), "method"),
        (lambda client: client.request("GET", None), "path"),
        (lambda client: client.request("GET", b"/x"), "path"),
        (lambda client: client.request("GET", "x"), "path"),
        (lambda client: client.request("GET", "/\ud800"), "path"),
        (lambda client: client.request("POST", "/x", json=[1]), "json"),
        (lambda client: client.request("POST", "/x", json=WORDS), "json"),
        (lambda client: client.request("POST", "/x", json=REQUEST), "json"),
        (lambda client: client.request("POST", "/x", json={"a": {1}}), "json"),
    ],
)
async def test_request_with_wrong_arguments_is_a_typed_error(call: Callable[[Any], Any], field: str) -> None:
    def blocking() -> None:
        with (
            musicapi_sync.MusicAPI(KEY, base_url=server.base_url) as client,
            pytest.raises(errors.InvalidRequestError, match=field),
        ):
            call(client)

    async with scripted(respond(200, {})) as server, MusicAPI(KEY, base_url=server.base_url) as client:
        with pytest.raises(errors.InvalidRequestError) as caught:
            await call(client)
        await asyncio.to_thread(blocking)

        assert server.connections == 0
    assert caught.value.field == field


def test_download_of_an_uploaded_clip_says_it_has_no_address() -> None:
    async def download() -> None:
        async with musicapi_async.MusicAPI(KEY) as client:
            await client.download(UploadedClip("c-1"), "song")  # type: ignore[arg-type]  # the mistake that is tested

    with pytest.raises(errors.InvalidRequestError, match="an id but no address"):
        asyncio.run(download())


def test_request_with_a_text_of_a_wrong_type_does_not_show_it() -> None:
    with pytest.raises(errors.InvalidRequestError, match="lyrics is of type list; it must be text") as caught:
        sonic.Create(lyrics=[WORDS])  # type: ignore[arg-type]  # the mistake that is tested

    check(caught.value, "lyrics")


async def test_bulk_run_with_wrong_arguments_is_a_typed_error(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with musicapi_sync.MusicAPI(KEY) as blocking:
        async with MusicAPI(KEY) as client, musicapi_async.bulk.open(path) as journal:
            wrong: list[tuple[str, tuple[Any, ...], str]] = [
                ("client", (blocking, journal, [REQUEST]), "MusicAPI; it must be a MusicAPI of the same package"),
                ("journal", (client, str(path), [REQUEST]), r"characters; .*: bulk\.open\(path\) returns one"),
                ("journal", (client, [REQUEST]), "of type list"),
                ("requests", (client, journal, REQUEST), r"of type Create; .*pass a list: \[request\]"),
                ("requests", (client, journal, 5), "5; it must be"),
            ]
            for field, arguments, text in wrong:
                with pytest.raises(errors.InvalidRequestError, match=f"{field} is .*{text}") as caught:
                    musicapi_async.bulk.run(*arguments)
                check(caught.value, field)
            requests: Any = [{"lyrics": WORDS}]
            with pytest.raises(errors.InvalidRequestError, match="one of requests is of type dict") as caught:
                await anext(musicapi_async.bulk.run(client, journal, requests))
            check(caught.value, "requests")


def test_blocking_bulk_run_with_wrong_arguments_is_a_typed_error(tmp_path: Path) -> None:
    with (
        musicapi_sync.MusicAPI(KEY, base_url="http://127.0.0.1:9/v1") as client,
        musicapi_sync.bulk.open(tmp_path / "journal.db") as journal,
    ):
        wrong: list[tuple[str, tuple[Any, ...]]] = [
            ("client", (MusicAPI(KEY), journal, [REQUEST])),
            ("journal", (client, str(tmp_path / "journal.db"), [REQUEST])),
            ("journal", (client, None)),
            ("requests", (client, journal, REQUEST)),
        ]
        for field, arguments in wrong:
            with pytest.raises(errors.InvalidRequestError, match=f"{field} is .*; it must be") as caught:
                musicapi_sync.bulk.run(*arguments)
            check(caught.value, field)


@pytest.mark.parametrize("path", [5, None, b"journal.db", ["journal.db"], True])
def test_path_of_a_wrong_type_is_a_typed_error(path: Any) -> None:
    for take in (
        musicapi_async.bulk.open,
        musicapi_sync.bulk.open,
        musicapi_async.bulk.read_requests,
        musicapi_sync.bulk.read_requests,
    ):
        with pytest.raises(errors.InvalidRequestError, match="path is .*; it must be a str or a path"):
            take(path)


async def test_path_with_a_null_character_is_a_typed_error(tmp_path: Path) -> None:
    path = str(tmp_path / "a\0b")
    async with MusicAPI(KEY) as client, musicapi_async.bulk.open(tmp_path / "journal.db") as journal:
        for name, take in (
            ("path", lambda: musicapi_async.bulk.open(path)),
            ("path", lambda: musicapi_async.bulk.read_requests(path)),
            ("out", lambda: musicapi_async.bulk.run(client, journal, [REQUEST], out=path)),
        ):
            with pytest.raises(errors.InvalidRequestError, match=f"{name} contains a null character"):
                take()


async def test_bulk_run_with_a_wrong_folder_is_a_typed_error(tmp_path: Path) -> None:
    wrong: list[dict[str, Any]] = [{"out": 5}, {"out": b"songs"}, {"out": ["songs"]}, {"out": tmp_path, "names": 5}]
    async with MusicAPI(KEY) as client, musicapi_async.bulk.open(tmp_path / "journal.db") as journal:
        for options in wrong:
            with pytest.raises(errors.InvalidRequestError, match="(out|names) is .*; it must be"):
                musicapi_async.bulk.run(client, journal, [REQUEST], **options)
