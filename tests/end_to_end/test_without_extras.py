"""The package with nothing but its own dependencies: JSON by the standard library, and nothing optional imported."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import pytest

from musicapi_async.wire import json as wire

OPTIONAL = ["orjson", "uvloop", "rich", "typer", "lameenc", "jinja2", "mutagen", "mido", "fsspec", "s3fs"]
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL}))\n"

JOURNEY = """
    import asyncio, json, sys, tempfile
    from pathlib import Path
    from musicapi_async import MusicAPI, errors, riffusion
    from musicapi_async.sandbox import Sandbox

    async def main():
        async with Sandbox(seconds=0.05) as sandbox:
            async with MusicAPI("k", base_url=sandbox.base_url, poll_interval=0.01) as client:
                drafts = await client.lyrics.make(description="ein Lied über Regen")
                task = await client.sonic.create(lyrics=drafts[0].lyrics, title="Grüße 🎵")
                songs = await task.wait()
                outcomes = [one async for one in client.run([riffusion.Create(lyrics="la la")], in_flight=1)]
                with tempfile.TemporaryDirectory() as folder:
                    saved = await client.download(songs[0], Path(folder) / "song")
                try:
                    await client.sonic.task("unknown").poll()
                except errors.NotFoundError as error:
                    refused = str(error)
                print(json.dumps({
                    "titles": [song.title for song in songs],
                    "duration": songs[0].duration,
                    "words": len(outcomes[0].result[0].words),
                    "format": saved.format,
                    "refused": refused,
                    "credits": (await client.account.credits()).total,
                    "imported": sorted({"rich", "typer", "aiohttp.web"} & {k for k, v in sys.modules.items() if v}),
                }))

    asyncio.run(main())
"""

# Responses that two readers of JSON may take differently.
ODD = [
    '{"a": 1.5, "b": [null, true], "ü": "🎵"}',
    '{"a": NaN}',
    '{"a": Infinity}',
    '{"a": -Infinity}',
    '{"a": 1e999}',
    '{"a": "half \\ud83d a letter"}',
    '{"a": 1, "a": 2}',
    "\ufeff{}",
    '{"a": "a\nb"}',
    "{'a': 1}",
    '{"a": 1,}',
    '{"a": 01}',
    "{} {}",
    " \n{}\n ",
    "",
    "nul",
]


def run(code: str, *arguments: str) -> Any:
    command = [sys.executable, "-W", "error", "-c", BLOCK + textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_client_without_extras_works() -> None:
    found = run(JOURNEY)

    assert found["titles"] == ["Grüße 🎵", "Grüße 🎵"]
    assert (found["duration"], found["format"], found["words"]) == (6.0, "wav", 2)
    assert found["credits"] == 1000 - 2 - 20 - 12
    assert "task not found." in found["refused"]
    assert found["imported"] == ["aiohttp.web"]  # the sandbox is a web server


def test_report_without_its_extra_says_what_to_install() -> None:
    code = """
        import json
        from pathlib import Path
        from musicapi_async.bulk.report import write_report
        try:
            write_report(Path(), list, {})
        except ModuleNotFoundError as error:
            print(json.dumps([error.name, str(error)]))
    """

    assert run(code) == ["jinja2", "a report needs jinja2: pip install 'musicapi-async[cli]'"]


def test_package_run_as_a_module_without_its_extra_says_what_to_install() -> None:
    code = """
        import contextlib, io, json, runpy
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said):
                runpy.run_module("musicapi_async", run_name="__main__")
        except SystemExit as end:
            print(json.dumps([end.code, said.getvalue()]))
    """

    code, said = run(code)
    assert code == 1
    assert said.startswith("musicapi: ")
    assert said.endswith(" is not installed; install it with: pip install 'musicapi-async[cli]'\n")


def test_import_of_the_package_imports_nothing_optional() -> None:
    code = """
        import json, musicapi_async
        watched = {"aiohttp.web", "musicapi_async.cli", "musicapi_async.sandbox", "musicapi_sync", "sqlite3"}
        watched |= {"musicapi_async.media.tagging", "musicapi_async.media.memory", "musicapi_async.results.midi_file"}
        print(json.dumps(sorted(watched & set(sys.modules))))
    """

    assert run(code) == []


def read(documents: Sequence[str]) -> list[str]:
    verdicts = []
    for document in documents:
        try:
            verdicts.append(repr(wire.read_json(document.encode())))
        except ValueError:
            verdicts.append("no JSON")
    return verdicts


def test_read_json_with_and_without_orjson_is_the_same() -> None:
    assert pytest.importorskip("orjson")
    without = run(
        """
        import json
        from musicapi_async.wire import json as wire

        def read(document):
            try:
                return repr(wire.read_json(document.encode()))
            except ValueError:
                return "no JSON"

        print(json.dumps([read(document) for document in json.loads(sys.argv[1])]))
        """,
        json.dumps(ODD),
    )

    assert dict(zip(ODD, read(ODD), strict=True)) == dict(zip(ODD, without, strict=True))
