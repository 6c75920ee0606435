"""The pytest plugin in the tests of a user's project, which pytest runs in a process of its own."""

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]

# The second is pytest-asyncio's own, about a setting that a project should make.
WARNINGS = ("-W", "error", "-W", "ignore:The configuration option")
BOT = """
    from musicapi_async import MusicAPI

    async def make_song(idea):
        async with MusicAPI() as client:
            return (await client.sonic.describe(description=idea).wait())[0]
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run pytest in a user's project, of a bot and a file of tests; return what it printed."""
    (tmp_path / "bot.py").write_text(textwrap.dedent(BOT), "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n", "utf-8")

    def run(tests: str, *options: str, blocked: tuple[str, ...] = ()) -> str:
        (tmp_path / "test_bot.py").write_text(textwrap.dedent(tests), "utf-8")
        program = f"import sys; sys.modules.update(dict.fromkeys({blocked})); import pytest; sys.exit(pytest.main())"
        command = [sys.executable, "-c", program, "-rA", "-p", "no:cacheprovider", *WARNINGS, *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr

    return run


def outcomes(printed: str) -> dict[str, int]:
    """Return the numbers of the last line, such as ``{"passed": 3}``."""
    return {name: int(count) for count, name in re.findall(r"(\d+) (passed|failed|errors?|warnings?)", printed)}


def test_sandbox_in_plain_tests_serves_the_application_and_both_clients(run: Run) -> None:
    printed = run("""
        import asyncio
        import bot
        import musicapi_sync
        from musicapi_async import sonic

        def test_application_uses_the_sandbox(musicapi_sandbox):
            song = asyncio.run(bot.make_song("lofi rain"))
            assert song.title == "Lofi Rain"
            assert [task.request for task in musicapi_sandbox.tasks] == [sonic.Describe(description="lofi rain")]
            assert musicapi_sandbox.requests(sonic.Describe)[0].description == "lofi rain"
            assert musicapi_sandbox.requests("POST /sonic/create")[0].json["gpt_description_prompt"] == "lofi rain"
            assert musicapi_sandbox.charged == 20

        def test_next_test_has_a_sandbox_of_its_own(musicapi_sandbox):
            assert musicapi_sandbox.requests() == ()

        def test_blocking_client(musicapi_client, musicapi_sandbox):
            songs = musicapi_client.sonic.describe(description="rain").wait()
            assert musicapi_client.read(songs[0])
            assert musicapi_client.account.credits().total == 1000 - musicapi_sandbox.charged == 980
            with musicapi_sync.MusicAPI(max_attempts=1) as other:
                assert other.account.credits().total == 980
    """)

    assert outcomes(printed) == {"passed": 3}, printed


ASYNC = """
    import pytest
    from musicapi_async import MusicAPI
    {mark}

    async def test_song(musicapi_sandbox):
        async with musicapi_sandbox.client() as client:
            songs = await client.sonic.describe(description="rain").wait()
            assert await client.read(songs[0])
        assert musicapi_sandbox.charged == 20

    async def test_songs_of_two_clients(musicapi_sandbox):
        async with MusicAPI() as one, musicapi_sandbox.client(max_attempts=1) as other:
            assert other.settings.max_attempts == 1
            assert one.settings.base_url == other.settings.base_url == musicapi_sandbox.base_url
            await one.sonic.describe(description="rain").wait()
            await other.sonic.describe(description="snow").wait()
        assert len(musicapi_sandbox.tasks) == 2
    """
ANYIO = 'pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"])]'


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("pytestmark = pytest.mark.asyncio", ()),
        ("", ("--asyncio-mode=auto",)),
        (ANYIO, ()),
        (ANYIO, ("-p", "no:asyncio")),
        ("pytestmark = pytest.mark.asyncio", ("-n", "2")),
    ],
    ids=["asyncio strict", "asyncio auto", "anyio", "anyio alone", "asyncio with xdist"],
)
def test_sandbox_in_async_tests_works_with_each_plugin(run: Run, mark: str, options: tuple[str, ...]) -> None:
    printed = run(ASYNC.replace("{mark}", mark), *options)

    assert outcomes(printed) == {"passed": 2}, printed


def test_sandbox_with_xdist_gives_each_test_its_own(run: Run) -> None:
    printed = run(
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_song(musicapi_sandbox, musicapi_client, number):
            assert musicapi_client.sonic.describe(description=f"song {number}").wait()[0].title == f"Song {number}"
            assert len(musicapi_sandbox.tasks) == 1
        """,
        "-n",
        "2",
    )

    assert outcomes(printed) == {"passed": 8}, printed
    assert "2 workers" in printed


def test_sandbox_with_faults_and_settings_of_markers(run: Run) -> None:
    printed = run("""
        import pytest
        from musicapi_async import errors
        from musicapi_async.sandbox import Fault

        pytestmark = pytest.mark.musicapi_sandbox(credits=40, keys=["my-key"])

        def test_busy_service(musicapi_sandbox, musicapi_client):
            musicapi_sandbox.add_fault("GET /get-credits", Fault(status=503))
            assert musicapi_client.account.credits().total == 40
            assert len(musicapi_sandbox.requests("GET /get-credits")) == 2
            assert musicapi_sandbox.account("my-key").credits == 40

        def test_failed_task_is_refunded(musicapi_sandbox, musicapi_client):
            musicapi_sandbox.end_next("failed")
            with pytest.raises(errors.TaskFailedError):
                musicapi_client.sonic.describe(description="rain").wait()
            assert musicapi_sandbox.charged == 0

        @pytest.mark.musicapi_sandbox(faults={Fault(drop=True, accepted=True): 1})
        def test_lost_response(musicapi_sandbox, musicapi_client):
            with pytest.raises(errors.UncertainSubmissionError):
                musicapi_client.sonic.describe(description="rain")
            assert musicapi_sandbox.charged == 20

        class TestWithoutCredits:
            pytestmark = pytest.mark.musicapi_sandbox(credits=0)

            def test_song_is_refused(self, musicapi_sandbox, musicapi_client):
                with pytest.raises(errors.InsufficientCreditsError):
                    musicapi_client.sonic.describe(description="rain")
                assert musicapi_sandbox.tasks == ()

            @pytest.mark.musicapi_sandbox(seconds=3600, credits=20)
            def test_marker_of_the_test_goes_before_that_of_its_class(self, musicapi_sandbox, musicapi_client):
                task = musicapi_client.sonic.describe(description="rain")
                assert task.poll().status == "waiting"
                musicapi_sandbox.advance(5000)
                assert len(task.wait()) == 2
    """)

    assert outcomes(printed) == {"passed": 5}, printed


def test_marker_with_a_wrong_argument_names_it(run: Run) -> None:
    printed = run("""
        import pytest

        @pytest.mark.musicapi_sandbox(second=3)
        def test_misspelt(musicapi_sandbox): ...

        @pytest.mark.musicapi_sandbox(credits=-1)
        def test_negative(musicapi_client): ...

        @pytest.mark.musicapi_sandbox(60)
        def test_positional(musicapi_sandbox): ...
    """)

    assert outcomes(printed) == {"errors": 3}, printed
    for message in (
        "the marker musicapi_sandbox: Sandbox has no argument 'second'; did you mean 'seconds'?",
        "the marker musicapi_sandbox: credits is -1; it must be a number of at least 0",
        "the marker musicapi_sandbox takes keywords only, such as seconds=60",
    ):
        assert message in printed


def test_plugin_without_the_optional_packages_works(run: Run) -> None:
    printed = run(
        """
        def test_song(musicapi_client):
            songs = musicapi_client.sonic.describe(description="rain").wait()
            assert musicapi_client.read(songs[0])[:4] == b"RIFF"
        """,
        blocked=("orjson", "uvloop", "rich", "typer", "lameenc", "jinja2", "mutagen", "mido"),
    )

    assert outcomes(printed) == {"passed": 1}, printed


def test_plugin_imports_the_client_only_when_a_fixture_is_used(run: Run) -> None:
    printed = run("""
        import sys

        def test_other():
            assert "pytest_musicapi" in sys.modules
            assert not {"musicapi_async", "musicapi_sync", "aiohttp", "attrs"} & set(sys.modules)
    """)

    assert outcomes(printed) == {"passed": 1}, printed


def test_import_of_the_client_does_not_import_pytest() -> None:
    program = "import sys, musicapi_async.sandbox, musicapi_sync.sandbox; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


EARLY = """
    import bot
    from {package} import MusicAPI

    client = MusicAPI("k"{settings})

    def test_first(musicapi_sandbox):
        pass

    def test_second(musicapi_sandbox):
        pass
"""


def test_client_made_at_import_is_warned_of_once(run: Run) -> None:
    printed = run(EARLY.format(package="musicapi_sync", settings=""), "-W", "default")

    assert outcomes(printed) == {"passed": 2, "warning": 1}
    assert "a MusicAPI client was made when a module was imported" in printed
    assert "https://api.musicapi.ai" in printed


def test_client_of_another_address_made_at_import_is_not_warned_of(run: Run) -> None:
    printed = run(EARLY.format(package="musicapi_async", settings=", base_url='http://127.0.0.1:9/api/v1'"))

    assert outcomes(printed) == {"passed": 2}
