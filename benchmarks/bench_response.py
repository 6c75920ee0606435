"""Reading a finished response of two clips with 400 word timings each (106 kB): CPU time and memory.

What is read is what a poll reads: bytes to the typed state, its songs and their clips; the words are structured on
first access. Beside it the JSON parse alone, and msgspec and pydantic reading the same bytes, each with its own JSON
parser, into classes of the same fields, words included. They are strict where the package is lenient: a number in
quotes, a lone surrogate or one broken word would cost them the whole response. Each way with orjson and without it, in
a process of its own, since that is decided on import.

Memory is that of a thousand results that are kept while their words were never touched, against the bytes of their
responses; every response is parsed from bytes of its own.
"""

import gc
import json
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median
from typing import Any, Final

import msgspec
import pydantic
from common import MICROSECONDS, in_a_fresh_process, print_table, print_title, ratio, spread, verdict
from long_response import CLIPS, RESPONSE, TASK_ID, WORDS

ROUNDS: Final = 25
READINGS: Final = 5
RESULTS: Final = 1_000
UNTOUCHED_TARGET: Final = 1.2
MEMORY_TARGET: Final = 1.1

PARSE: Final = "the JSON parse alone"
UNTOUCHED: Final = "musicapi-async, words not touched"
TOUCHED: Final = "musicapi-async, words touched"
MSGSPEC: Final = "msgspec, words included"
PYDANTIC: Final = "pydantic, words included"


def readers() -> Mapping[str, Callable[[bytes], object]]:
    """Return the ways to read a response, over the JSON parser that this process has."""
    from musicapi_async import riffusion  # noqa: PLC0415
    from musicapi_async._responses.response import Response  # noqa: PLC0415
    from musicapi_async._tasks.state import TaskRule, TaskState, read_state  # noqa: PLC0415 - after orjson is hidden
    from musicapi_async.results import Songs  # noqa: PLC0415
    from musicapi_async.wire.json import read_json  # noqa: PLC0415

    rule, attempted = TaskRule.of(riffusion.Create), f"GET /riffusion/task/{TASK_ID}"

    def read(content: bytes) -> TaskState[Songs]:
        state = read_state(TASK_ID, rule, attempted, Response(200, {}, content))
        if state.result is None:
            raise RuntimeError("the response is not read as finished")
        return state

    def read_words(content: bytes) -> TaskState[Songs]:
        state = read(content)
        if sum(len(clip.words) for clip in state.clips) != CLIPS * WORDS:
            raise RuntimeError("words are missing")
        return state

    return {
        PARSE: read_json,
        UNTOUCHED: read,
        TOUCHED: read_words,
        MSGSPEC: _with_words(_msgspec_reader()),
        PYDANTIC: _with_words(_pydantic_reader()),
    }


def _with_words(read: Callable[[bytes], Any]) -> Callable[[bytes], object]:
    def checked(content: bytes) -> object:
        body = read(content)
        if sum(len(clip.timestamp.words) for clip in body.data) != CLIPS * WORDS:
            raise RuntimeError("words are missing")
        return body

    return checked


def _msgspec_reader() -> Callable[[bytes], Any]:
    class Word(msgspec.Struct, frozen=True):
        text: str = ""
        start: float | None = None
        end: float | None = None
        line: int | None = msgspec.field(default=None, name="line_index")

    class Timing(msgspec.Struct, frozen=True):
        words: tuple[Word, ...] = ()

    class Clip(msgspec.Struct, frozen=True):
        clip_id: str = ""
        title: str | None = None
        state: str | None = None
        audio_url: str | None = None
        image_url: str | None = None
        video_url: str | None = None
        lyrics: str | None = None
        tags: str | None = msgspec.field(default=None, name="sound")
        duration: float | None = None
        created_at: datetime | None = None
        model: str | None = msgspec.field(default=None, name="mv")
        error: str | None = msgspec.field(default=None, name="error_message")
        timestamp: Timing | None = None

    class Body(msgspec.Struct, frozen=True):
        code: int
        data: tuple[Clip, ...]
        message: str

    return msgspec.json.Decoder(Body).decode


def _pydantic_reader() -> Callable[[bytes], Any]:
    class Word(pydantic.BaseModel, frozen=True):
        text: str = ""
        start: float | None = None
        end: float | None = None
        line: int | None = pydantic.Field(default=None, alias="line_index")

    class Timing(pydantic.BaseModel, frozen=True):
        words: tuple[Word, ...] = ()

    class Clip(pydantic.BaseModel, frozen=True):
        clip_id: str = ""
        title: str | None = None
        state: str | None = None
        audio_url: str | None = None
        image_url: str | None = None
        video_url: str | None = None
        lyrics: str | None = None
        tags: str | None = pydantic.Field(default=None, alias="sound")
        duration: float | None = None
        created_at: datetime | None = None
        model: str | None = pydantic.Field(default=None, alias="mv")
        error: str | None = pydantic.Field(default=None, alias="error_message")
        timestamp: Timing | None = None

    class Body(pydantic.BaseModel, frozen=True):
        code: int
        data: tuple[Clip, ...]
        message: str

    # The names above are of this function.
    for model in (Timing, Clip, Body):
        model.model_rebuild(_types_namespace={"Word": Word, "Timing": Timing, "Clip": Clip, "datetime": datetime})
    return Body.model_validate_json


def timings() -> dict[str, list[float]]:
    """Return the CPU µs of each reading, way by way, in interleaved rounds."""
    found: dict[str, list[float]] = {}
    turns = deque(readers().items())
    for turn in range(ROUNDS + 1):
        for name, read in turns:
            gc.collect()
            began = time.process_time()
            for _ in range(READINGS):
                read(RESPONSE)
            if turn:
                found.setdefault(name, []).append((time.process_time() - began) / READINGS * MICROSECONDS)
        turns.rotate()
    return found


def kept(name: str) -> float:
    """Return the bytes that each of a thousand results takes."""
    read = readers()[name]
    read(RESPONSE)
    gc.collect()
    tracemalloc.start()
    results = [read(bytes(bytearray(RESPONSE))) for _ in range(RESULTS)]
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / len(results)


def judge_timings(parser: str, found: Mapping[str, list[float]]) -> None:
    print_title(f"A finished response of {len(RESPONSE) / 1000:.0f} kB, {parser}")
    rows = [
        [name, f"{spread(taken):.0f}", str(ratio(taken, found[PARSE]))]
        for name, taken in sorted(found.items(), key=lambda item: median(item[1]))
    ]
    print_table(["read by", "CPU µs", "ratio to the parse"], rows)
    untouched = ratio(found[UNTOUCHED], found[PARSE])
    verdict(f"{UNTOUCHED}: {untouched} times the parse", untouched.median, UNTOUCHED_TARGET)
    for name in (MSGSPEC, PYDANTIC):
        print(f"\n{TOUCHED}: {ratio(found[TOUCHED], found[name])} times {name}.")


def main() -> None:
    if len(sys.argv) > 1:
        _, parser, what, *way = sys.argv
        if parser == "json":
            sys.modules["orjson"] = None  # type: ignore[assignment]  # as if it were not installed
        print(json.dumps(timings() if what == "time" else {"bytes": kept(*way)}))
        return
    rows = []
    figures: dict[str, float] = {}
    for parser in ("orjson", "json"):
        found: Any = in_a_fresh_process(__file__, parser, "time")
        judge_timings(parser, found)
        for name in (PARSE, UNTOUCHED, TOUCHED, MSGSPEC, PYDANTIC) if parser == "orjson" else (UNTOUCHED,):
            each = in_a_fresh_process(__file__, parser, "memory", name)["bytes"]
            figures[name] = max(each, figures.get(name, 0.0))
            rows.append([f"{name}, {parser}", f"{each / 1000:.0f}", f"{each / len(RESPONSE):.2f}"])
    print_title(f"Memory of a result, {RESULTS:,} of them kept")
    print_table(["read by", "kB each", f"ratio to the {len(RESPONSE) / 1000:.0f} kB that came"], rows)
    held = figures[UNTOUCHED] / len(RESPONSE)
    verdict(f"{UNTOUCHED}: {held:.2f} times the bytes that came", held, MEMORY_TARGET)


if __name__ == "__main__":
    main()
