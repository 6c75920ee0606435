"""The blocking client's downloads to memory: bytes, and a generator of chunks."""

import os
from collections.abc import Iterator

import pytest
from facade.scripts import run_script

from musicapi_async.sandbox import Sandbox
from musicapi_sync import Clip, MusicAPI, errors


@pytest.fixture
def song(client: MusicAPI) -> Clip:
    return client.sonic.describe(description="rain").wait()[0]


def test_read_and_stream_return_the_same_bytes(client: MusicAPI, song: Clip) -> None:
    data = client.read(song)

    assert b"".join(client.stream(song)) == data
    assert len(data) > 1000


def test_read_above_max_size_raises(client: MusicAPI, song: Clip) -> None:
    with pytest.raises(errors.DownloadError, match="max_size"):
        client.read(song, max_size=10)


def test_stream_of_a_wrong_source_raises_at_the_call(client: MusicAPI) -> None:
    with pytest.raises(errors.InvalidRequestError, match="source is"):
        client.stream(3)  # type: ignore[arg-type]


def test_streams_left_early_release_their_slots(client: MusicAPI, song: Clip) -> None:
    """More than the 32 files that may be received at once; a ``break`` is all that a caller writes."""
    started = []
    for _ in range(40):
        for chunk in client.stream(song):
            started.append(chunk)
            break

    assert len(started) == 40
    assert client.read(song).startswith(started[0])


def test_stream_is_iterated_in_the_callers_thread_and_its_error_reaches_the_loop_body(
    client: MusicAPI, song: Clip
) -> None:
    def failing() -> Iterator[bytes]:
        for chunk in client.stream(song):
            yield chunk
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(failing())
    assert client.read(song)


def test_stream_on_a_closed_client_raises(served: Sandbox) -> None:
    with MusicAPI("k", base_url=served.base_url, poll_interval=0.02) as client:
        song = client.sonic.describe(description="rain").wait()[0]
        chunks = client.stream(song)

    with pytest.raises(errors.ClientClosedError):
        next(chunks)
    with pytest.raises(errors.ClientClosedError):
        client.stream(song)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_stream_of_a_parent_raises_in_a_forked_child_and_continues_in_the_parent(served: Sandbox) -> None:
    done = run_script(
        """
        import os
        from musicapi_sync import MusicAPI, errors

        client = MusicAPI()
        song = client.sonic.describe(description="rain").wait()[0]
        chunks = client.stream(song)
        received = next(chunks)
        child = os.fork()
        if child == 0:
            try:
                next(chunks)
            except errors.EventLoopError as error:
                print("child", type(error).__name__, flush=True)
            print("child", len(client.read(song)) > 1000, flush=True)
            client.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        received += b"".join(chunks)
        print("parent", status, received == client.read(song))
        client.close()
        """,
        served,
    )

    assert done.stderr == ""
    assert done.stdout.splitlines() == ["child EventLoopError", "child True", "parent 0 True"]


def test_stream_that_is_open_at_the_end_of_the_process_prints_nothing(served: Sandbox) -> None:
    done = run_script(
        """
        from musicapi_sync import MusicAPI

        client = MusicAPI()
        chunks = client.stream(client.sonic.describe(description="rain").wait()[0])
        print(len(next(chunks)) > 0)
        """,
        served,
    )

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_stream_of_a_clip_that_still_runs_is_the_whole_song(waiting_client: MusicAPI, slow: Sandbox) -> None:
    task = waiting_client.sonic.describe(description="rain")
    slow.advance(1800)
    (clip, *_) = task.wait(until="stream")
    chunks = waiting_client.stream(clip)
    received = [next(chunks)]
    slow.advance(5000)
    received.extend(chunks)

    assert clip.audio_url is None
    assert b"".join(received) == waiting_client.read(task.wait()[0])
