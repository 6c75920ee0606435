"""Captions of 10,000 words, against a bare loop that formats the same stamps and escapes nothing: CPU time."""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from common import print_table, print_title, ratio, spread, verdict

from musicapi_async import Word, media

ROUNDS: Final = 25
WORDS: Final = 10_000
WORDS_IN_LINE: Final = 6
TARGET: Final = 1.5
MILLISECONDS: Final = 1000.0
TIMELINE: Final = media.Timeline.of(
    [Word(f"word{at % 97} ", at * 0.3, at * 0.3 + 0.25, at // WORDS_IN_LINE) for at in range(WORDS)]
)
# Plain values, so that the loops do not pay for optional times.
LINES: Final[list[Any]] = list(TIMELINE.lines)


def lrc_stamp(seconds: float) -> str:
    time = int(seconds * 100 + 0.5)
    return f"{time // 6000:02}:{time // 100 % 60:02}.{time % 100:02}"


def clock(seconds: float, mark: str) -> str:
    time = int(seconds * 1000 + 0.5)
    return f"{time // 3600000:02}:{time // 60000 % 60:02}:{time // 1000 % 60:02}{mark}{time % 1000:03}"


def ass_clock(seconds: float) -> str:
    time = int(seconds * 100 + 0.5)
    return f"{time // 360000}:{time // 6000 % 60:02}:{time // 100 % 60:02}.{time % 100:02}"


def lrc() -> str:
    return "\n".join([f"[{lrc_stamp(line.start)}]{line.text}" for line in LINES])


def lrc_words() -> str:
    found = []
    for line in LINES:
        words = "".join([f"<{lrc_stamp(word.start)}>{word.text} " for word in line.words])
        found.append(f"[{lrc_stamp(line.start)}]{words}<{lrc_stamp(line.end)}>")
    return "\n".join(found)


def srt() -> str:
    return "\n".join(
        [
            f"{number}\n{clock(line.start, ',')} --> {clock(line.end, ',')}\n{line.text}\n"
            for number, line in enumerate(LINES, 1)
        ]
    )


def vtt() -> str:
    found = []
    for line in LINES:
        words = "".join([f"<{clock(word.start, '.')}><c>{word.text}</c> " for word in line.words])
        found.append(f"{clock(line.start, '.')} --> {clock(line.end, '.')}\n{words}\n")
    return "\n".join(found)


def ass() -> str:
    found = []
    for line in LINES:
        starts = [int(word.start * 100 + 0.5) for word in line.words]
        words = []
        for word, start, following in zip(line.words, starts, [*starts[1:], int(line.end * 100 + 0.5)], strict=True):
            end = int(word.end * 100 + 0.5)
            words.append(f"{{\\kf{end - start}}}{word.text}{{\\kf{following - end}}} ")
        times = f"{ass_clock(line.start)},{ass_clock(line.end)}"
        found.append(f"Dialogue: 0,{times},Default,,0,0,0,,{''.join(words)}")
    return "\n".join(found)


def as_json() -> str:
    lines = [
        {
            "text": line.text,
            "start": line.start,
            "end": line.end,
            "words": [{"text": w.text, "start": w.start, "end": w.end, "line": w.line} for w in line.words],
            "section": line.section,
        }
        for line in LINES
    ]
    return json.dumps({"lines": lines}, indent=2, ensure_ascii=False)


def seconds_of(work: Callable[[], str]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    writers: dict[str, tuple[Callable[[], str], Callable[[], str]]] = {
        "LRC": (TIMELINE.to_lrc, lrc),
        "LRC with words": (lambda: TIMELINE.to_lrc(words=True), lrc_words),
        "SRT": (TIMELINE.to_srt, srt),
        "WebVTT with words": (TIMELINE.to_vtt, vtt),
        "ASS": (TIMELINE.to_ass, ass),
        "JSON": (TIMELINE.to_json, as_json),
    }
    rows, found = [], []
    for name, (ours, bare) in writers.items():
        pairs = [(seconds_of(ours), seconds_of(bare)) for _ in range(ROUNDS)]
        taken, baseline = [list(part) for part in zip(*pairs, strict=True)]
        found.append(ratio(taken, baseline))
        rows.append([name, f"{spread([one * MILLISECONDS for one in taken]):.1f}", str(found[-1])])
    print_title("Captions of 10,000 words")
    print_table(["format", "milliseconds", "times a bare loop"], rows)
    most = max(found, key=lambda one: one.median)
    verdict(f"the slowest format takes {most} times as long", most.median, TARGET)


if __name__ == "__main__":
    main()
