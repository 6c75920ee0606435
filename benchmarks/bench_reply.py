"""Reading a finished reply of two clips with 400 word timings each (106 kB): CPU time and memory.

What is read is what a look reads: bytes to the typed state, its songs and their clips; the words are read on first
access. Against it the JSON parse alone, and cattrs structuring the same reply into the same classes, words included:
once as lenient as the package is (a number in quotes, half a letter, a null), once with its own hooks. Each way with
orjson and without it, in a process of its own, since that is decided on import.

Memory is that of a thousand results that are kept while their words were never touched, against the bytes of their
replies; every reply is parsed from bytes of its own.
"""

import gc
import json
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, Final

import attrs
from common import MICROSECONDS, in_a_fresh_process, print_table, print_title, ratio, spread, verdict

CLIPS: Final = 2
WORDS: Final = 400
ROUNDS: Final = 25
READINGS: Final = 5
RESULTS: Final = 1_000
UNTOUCHED_TARGET: Final = 1.2
TOUCHED_TARGET: Final = 1.1
MEMORY_TARGET: Final = 1.1
TASK_ID: Final = "0f8fad5b-d9cb-469f-a165-708677289501"

PARSE: Final = "the JSON parse alone"
UNTOUCHED: Final = "musicapi-async, words not touched"
TOUCHED: Final = "musicapi-async, words touched"
CATTRS: Final = "cattrs, words included, as lenient as the package"
PLAIN_CATTRS: Final = "cattrs, words included, as strict as it is by itself"


def _word(index: int) -> dict[str, object]:
    start = round(index * 0.43719, 5)
    return {
        "text": f"word{index} ",
        "start": start,
        "end": round(start + 0.31274, 5),
        "line_index": index // 8,
        "index_range": [index * 6, index * 6 + 5],
        "wav2vec2_format": None,
    }


def _clip(number: int) -> dict[str, object]:
    # The names of a real reply of riffusion.
    return {
        "clip_id": f"26c9c592-0566-46cf-bb71-91ac1deaa7b{number}",
        "title": "Harbor",
        "lyrics": "[Verse]\n" + "la la la la la la la\n" * 50,
        "image_url": "https://storage.test/app-public/image.jpg",
        "audio_url": "https://storage.test/app-public/audio.m4a",
        "video_url": None,
        "created_at": "2025-06-19T06:41:43.107472Z",
        "mv": "FUZZ-1.1 Pro",
        "duration": 205.82,
        "timestamp": {"words": [_word(index) for index in range(WORDS)]},
        "state": "succeeded",
        "sound": "dream pop",
        "vocal_variation": 0.5,
    }


REPLY: Final = json.dumps({"code": 200, "data": list(map(_clip, range(CLIPS))), "message": "success"}).encode()


def readers() -> Mapping[str, Callable[[bytes], object]]:
    """Return the ways to read a reply, over the JSON parser that this process has."""
    from musicapi_async._tasks.state import TaskRule, TaskState, read_state  # noqa: PLC0415 - after orjson is hidden
    from musicapi_async._transport.response import Response  # noqa: PLC0415
    from musicapi_async.families import riffusion  # noqa: PLC0415
    from musicapi_async.results import Songs  # noqa: PLC0415
    from musicapi_async.wire.json import read_json  # noqa: PLC0415

    rule, attempted = TaskRule.of(riffusion.Create), f"GET /riffusion/task/{TASK_ID}"

    def read(content: bytes) -> TaskState[Songs]:
        state = read_state(TASK_ID, rule, attempted, Response(200, {}, content))
        if state.result is None:
            raise RuntimeError("the reply is not read as finished")
        return state

    def read_words(content: bytes) -> TaskState[Songs]:
        state = read(content)
        if sum(len(clip.words) for clip in state.clips) != CLIPS * WORDS:
            raise RuntimeError("words are missing")
        return state

    ways: dict[str, Callable[[bytes], object]] = {PARSE: read_json, UNTOUCHED: read, TOUCHED: read_words}
    return {**ways, **_cattrs_readers(read_json)}


def _cattrs_readers(read_json: Callable[[bytes], object]) -> Mapping[str, Callable[[bytes], object]]:
    try:
        from cattrs import Converter  # noqa: PLC0415
        from cattrs.gen import make_dict_structure_fn, override  # noqa: PLC0415
    except ImportError:
        print("cattrs is not installed: its rows are left out", file=sys.stderr)
        return {}
    from musicapi_async.results import Clip, Word  # noqa: PLC0415
    from musicapi_async.wire.values import moment, number, tags, text  # noqa: PLC0415

    # The package's clip reads its words itself: for cattrs they are a field, as they would be there.
    whole: Any = attrs.make_class(
        "Whole",
        {
            **{field.name: attrs.field(default=None, type=field.type) for field in attrs.fields(Clip)},
            "words": attrs.field(factory=tuple, type=tuple[Word, ...]),
        },
        frozen=True,
    )

    def reader(*, is_lenient: bool) -> Callable[[bytes], object]:
        converter = Converter(detailed_validation=False)
        text_too, number_too = override(struct_hook=text), override(struct_hook=number)
        converter.register_structure_hook(
            Word,
            make_dict_structure_fn(
                Word,
                converter,
                text=text_too if is_lenient else override(),
                start=number_too if is_lenient else override(),
                end=number_too if is_lenient else override(),
                line=override(rename="line_index"),
            ),
        )
        names = ("clip_id", "title", "state", "audio_url", "image_url", "video_url", "lyrics", "error")
        texts: dict[str, Any] = dict.fromkeys(names, text_too)
        words = converter.get_structure_hook(tuple[Word, ...])
        converter.register_structure_hook(
            whole,
            make_dict_structure_fn(
                whole,
                converter,
                **texts,
                tags=override(rename="sound", struct_hook=tags),
                model=override(rename="mv", struct_hook=text),
                stream_url=override(omit=True),
                _raw=override(omit=True),
                duration=number_too,
                created_at=override(struct_hook=moment),
                words=override(
                    rename="timestamp", struct_hook=lambda value, _: words(value["words"], tuple[Word, ...])
                ),
            ),
        )
        structure = converter.get_structure_hook(tuple[whole, ...])

        def read(content: bytes) -> object:
            body: Any = read_json(content)
            clips = structure(body["data"], tuple[whole, ...])
            if sum(len(clip.words) for clip in clips) != CLIPS * WORDS:
                raise RuntimeError("words are missing")
            return clips

        return read

    return {CATTRS: reader(is_lenient=True), PLAIN_CATTRS: reader(is_lenient=False)}


def timings() -> dict[str, list[float]]:
    """Return the CPU µs of each reading, way by way, in interleaved rounds."""
    found: dict[str, list[float]] = {}
    turns = deque(readers().items())
    for turn in range(ROUNDS + 1):
        for name, read in turns:
            gc.collect()
            began = time.process_time()
            for _ in range(READINGS):
                read(REPLY)
            if turn:
                found.setdefault(name, []).append((time.process_time() - began) / READINGS * MICROSECONDS)
        turns.rotate()
    return found


def kept(name: str) -> float:
    """Return the bytes that each of a thousand results takes."""
    read = readers()[name]
    read(REPLY)
    gc.collect()
    tracemalloc.start()
    results = [read(bytes(bytearray(REPLY))) for _ in range(RESULTS)]
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / len(results)


def judge_timings(parser: str, found: Mapping[str, list[float]]) -> None:
    print_title(f"A finished reply of {len(REPLY) / 1000:.0f} kB, {parser}")
    rows = [
        [name, f"{spread(taken):.0f}", str(ratio(taken, found[PARSE]))]
        for name, taken in sorted(found.items(), key=lambda item: median(item[1]))
    ]
    print_table(["read by", "CPU µs", "ratio to the parse"], rows)
    untouched = ratio(found[UNTOUCHED], found[PARSE])
    verdict(f"{UNTOUCHED}: {untouched} times the parse", untouched.median, UNTOUCHED_TARGET)
    if CATTRS in found:
        touched = ratio(found[TOUCHED], found[CATTRS])
        verdict(f"{TOUCHED}: {touched} times {CATTRS}", touched.median, TOUCHED_TARGET)
        plain = ratio(found[TOUCHED], found[PLAIN_CATTRS])
        verdict(f"{TOUCHED}: {plain} times {PLAIN_CATTRS}", plain.median, TOUCHED_TARGET)


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
        for name in (PARSE, UNTOUCHED, TOUCHED, CATTRS) if parser == "orjson" else (UNTOUCHED,):
            if name not in found:
                continue
            each = in_a_fresh_process(__file__, parser, "memory", name)["bytes"]
            figures[name] = max(each, figures.get(name, 0.0))
            rows.append([f"{name}, {parser}", f"{each / 1000:.0f}", f"{each / len(REPLY):.2f}"])
    print_title(f"Memory of a result, {RESULTS:,} of them kept")
    print_table(["read by", "kB each", f"ratio to the {len(REPLY) / 1000:.0f} kB that came"], rows)
    held = figures[UNTOUCHED] / len(REPLY)
    verdict(f"{UNTOUCHED}: {held:.2f} times the bytes that came", held, MEMORY_TARGET)


if __name__ == "__main__":
    main()
