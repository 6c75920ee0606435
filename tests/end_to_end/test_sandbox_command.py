"""``musicapi sandbox``: its keys, faults and events, and its help."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
from commands import MusicAPI, finish, line_with, on_unix, started
from signing import SECRET

import musicapi_sync
from musicapi_async import errors, sonic
from musicapi_async.sandbox import Ending

Use = Callable[[musicapi_sync.MusicAPI], None]

DESCRIBE = sonic.Describe(description="rain")


@pytest.fixture
def serve(tmp_path: Path) -> Callable[..., str]:
    """Run the command, use its sandbox, and stop it with Ctrl-C; returns the rest of what it printed."""

    def serve(use: Use, *options: str, key: str = "any-key") -> str:
        with started("sandbox", "--port", "0", "--seconds", "0", *options, cwd=tmp_path) as server:
            (base_url,) = re.findall(r"http://[\d.:]+/api/v1", line_with("the sandbox is running at", server.stdout))
            line_with("musicapi generate", server.stdout)
            with musicapi_sync.MusicAPI(key, base_url=base_url, poll_interval=0.01, max_attempts=1) as client:
                use(client)
            server.send_signal(signal.SIGINT)
            done = finish(server)
        assert (done.code, done.err) == (0, "")
        return done.out

    return serve


@on_unix
def test_sandbox_with_keys_refuses_others(serve: Callable[..., str]) -> None:
    def use(client: musicapi_sync.MusicAPI) -> None:
        assert client.account.credits().total == 7
        with pytest.raises(errors.AuthenticationError):
            client.with_options(api_key="any-key").account.credits()

    serve(use, "--keys", "one, two", "--credits", "7", key="two")


@on_unix
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("failed", errors.TaskFailedError),
        ("all-failed", errors.TaskFailedError),
        ("rate-limited", errors.RateLimitError),
        ("dropped", errors.UncertainSubmissionError),
        ("lost-response=1", errors.UncertainSubmissionError),
    ],
)
def test_sandbox_with_a_fault_has_it_every_time(serve: Callable[..., str], fault: str, error: type[Exception]) -> None:
    def use(client: musicapi_sync.MusicAPI) -> None:
        with pytest.raises(error):
            client.submit(DESCRIBE).wait()

    serve(use, "--fault", fault)


@on_unix
def test_sandbox_with_webhooks_shows_each_event_and_its_response(tmp_path: Path) -> None:
    options = ("--seconds", "0", "--webhooks", "--fault", "event-forged")
    with started("sandbox", "--port", "0", *options, cwd=tmp_path) as server:
        (base_url,) = re.findall(r"http://[\d.:]+/api/v1", line_with("the sandbox is running at", server.stdout))
        # Nothing listens there.
        hook = "http://127.0.0.1:9/hook"
        with musicapi_sync.MusicAPI("k", base_url=base_url, webhook_url=hook, webhook_secret=SECRET) as client:
            task = client.submit(DESCRIBE)
        forged = line_with("event song.streaming", server.stdout)
        again = line_with("attempt 2", server.stdout)
        server.send_signal(signal.SIGINT)
        finish(server)

    assert forged == f"event song.streaming of task {task.id}: no response, forged\n"
    assert re.fullmatch(rf"event song\.\w+ of task {task.id}: no response, attempt 2\n", again)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--fault", "faild=0.1"), "--fault is 'faild=0.1'; there is no fault 'faild': did you mean failed?"),
        (("--fault", "volcano"), "there is no fault 'volcano': 'musicapi sandbox --help' lists the faults"),
        (("--fault", "failed=2"), "--fault is 'failed=2'; its rate must be a share from 0 to 1, such as 0.1"),
        (("--fault", "failed="), "--fault is 'failed='; its rate must be a share from 0 to 1, such as 0.1"),
        (("--fault", "failed", "--fault", "timeout=0.1"), "the rates of --fault are more than 1 together"),
        (("--keys", " , "), "--keys names no key; give them as --keys key-1,key-2"),
    ],
)
def test_sandbox_with_a_wrong_option_says_what_is_wrong(
    musicapi: MusicAPI, options: tuple[str, ...], message: str
) -> None:
    done = musicapi("sandbox", *options)

    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert message in done.err


def test_sandbox_help_lists_the_faults(musicapi: MusicAPI) -> None:
    done = musicapi("sandbox", "--help")

    words = set(re.findall(r"[\w-]+", re.sub(r"\x1b\[[\d;]*m", "", done.out)))
    endings = {ending.replace("_", "-") for ending in get_args(Ending)} - {"songs"}
    assert endings | {"--keys", "--credits", "--seconds", "--fault", "--webhooks", "rate-limited"} <= words
