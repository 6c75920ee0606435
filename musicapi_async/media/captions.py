"""Writers of timed lyrics: LRC, SRT, WebVTT and ASS. No I/O.

They are written here and not by a library, since no maintained one escapes and rounds correctly: pysubs2 and webvtt-py
do not escape WebVTT, ``srt.compose`` drops cues without length, with no error, and pylrc drops every line after the
first hour. Each stamp is rounded from the time itself, half up, so that errors do not add up.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from musicapi_async.media.lines import Line, microseconds
from musicapi_async.results import Word

__all__ = ["ass", "lrc", "srt", "vtt"]

CENTISECOND: Final = 10_000
"""Microseconds."""
MILLISECOND: Final = 1000
_BRACKETS: Final = str.maketrans("[]", "()")
# No reader has an escape for a backslash: a word joiner after it keeps it from being one. A brace that is escaped needs
# an empty block after it for readers that do not know the escape. FFmpeg writes both like this.
_ASS_ESCAPES: Final = str.maketrans({"{": r"\{{}", "\\": "\\\N{WORD JOINER}"})
# SubRip has no escapes, but readers know HTML tags in it, and FFmpeg and pysubs2 also the codes of ASS.
_SRT_ESCAPES: Final = str.maketrans({"{": "(", "}": ")", "\\": "\\\N{WORD JOINER}"})
_TAG_START: Final = re.compile("<(?=[A-Za-z/])")
_ASS_HEADER: Final = """\
[Script Info]
ScriptType: v4.00+
PlayResX: 1280
PlayResY: 720
WrapStyle: 0
ScaledBorderAndShadow: yes
{title}
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,54,&H0000D7FF,&H00FFFFFF,&H00000000,&H64000000,0,0,0,0,100,100,0,0,1,3,1,2,40,40,50,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def lrc(lines: Sequence[Line], tags: dict[str, str | None], length: float, *, words: bool) -> str:
    """Return lines as LRC, with an empty stamp at the end; ``words`` adds a stamp before each word.

    Section tags are left out: readers take a bracket at the start of a line for a stamp. There is no ``[offset:]``: its
    sign and unit depend on the reader.
    """
    found = [f"[{name}:{_one_line(value).translate(_BRACKETS)}]" for name, value in tags.items() if value]
    minutes, seconds = divmod(round(length), 60)
    found += [f"[length:{minutes:02}:{seconds:02}]", "[by:musicapi-async]"]
    for line in lines:
        text = line.text
        if words:
            parts = [f"<{_lrc_stamp(word.start)}>{part}" for word, part in words_of(line)]
            text = f"{''.join(parts)} <{_lrc_stamp(line.end)}>"
        found.append(f"[{_lrc_stamp(line.start)}]{text.translate(_BRACKETS)}")
    if lines:
        found.append(f"[{_lrc_stamp(lines[-1].end)}]")
    return "\n".join(found) + "\n"


def srt(lines: Sequence[Line]) -> str:
    """Return lines as SubRip."""
    cues = [
        f"{number}\n{_srt_stamp(line.start)} --> {_srt_stamp(line.end)}\n{_srt_text(line.text)}\n"
        for number, line in enumerate(lines, 1)
    ]
    return "\n".join(cues)


def vtt(lines: Sequence[Line], *, words: bool) -> str:
    """Return lines as WebVTT; ``words`` adds a time before each word, and a span for ``::cue(:past)`` to style.

    There is no STYLE block: FFmpeg 5 reads no cue of a file that has one. A style belongs into the page.
    """
    cues = []
    for line in lines:
        start, end = _milliseconds(line.start), _milliseconds(line.end)
        text = "".join(_vtt_words(line, start, end)) if words else _vtt_text(line.text)
        cues.append(f"{_vtt_time(start)} --> {_vtt_time(end)}\n{text}\n")
    return "\n".join(["WEBVTT\n", *cues])


def ass(lines: Sequence[Line], title: str | None) -> str:
    """Return lines as Advanced SubStation Alpha with karaoke; a pause between two words has a length too."""
    shown = f"Title: {_one_line(title)}\n" if title else ""
    events = []
    for line in lines:
        start, end = _centiseconds(line.start), _centiseconds(line.end)
        text = "".join(_ass_words(line, start, end))
        events.append(f"Dialogue: 0,{_ass_time(start)},{_ass_time(end)},Default,,0,0,0,,{text}\n")
    return _ASS_HEADER.format(title=shown) + "".join(events)


def words_of(line: Line) -> Iterator[tuple[Word, str]]:
    """Yield each word of a line with its text in the line, up to the start of the next word."""
    starts = []
    at = 0
    for word in line.words:
        at = line.text.index(word.text, at)
        starts.append(at)
        at += len(word.text)
    for word, start, end in zip(line.words, starts, [*starts[1:], len(line.text)], strict=True):
        yield word, line.text[start:end]


def _vtt_words(line: Line, start: int, end: int) -> Iterator[str]:
    """Yield the marked-up words; stamps are inside the cue and rise, so the first word has none."""
    before = start
    for word, part in words_of(line):
        time = _milliseconds(word.start)
        if before < time < end:
            yield f"<{_vtt_time(time)}>"
            before = time
        text = part.rstrip()
        yield f"<c>{_vtt_text(text)}</c>{part[len(text) :]}"


def _srt_text(text: str) -> str:
    escaped = text.replace("-->", "\N{RIGHTWARDS ARROW}").translate(_SRT_ESCAPES)
    return _TAG_START.sub("<\N{WORD JOINER}", escaped)


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _ass_words(line: Line, start: int, end: int) -> Iterator[str]:
    """Yield the words with their lengths, as differences of rounded times: they add up to the line."""
    at = start
    items = list(words_of(line))
    for number, (word, part) in enumerate(items, 1):
        following = _centiseconds(items[number][0].start) if number < len(items) else end
        sung = min(_centiseconds(word.end or 0.0), following)
        text = part.rstrip()
        yield f"{{\\kf{sung - at}}}{text.translate(_ASS_ESCAPES)}"
        if sung < following:
            yield f"{{\\kf{following - sung}}}"
        yield part[len(text) :]
        at = following


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _centiseconds(seconds: float | None) -> int:
    return (microseconds(seconds or 0.0) + CENTISECOND // 2) // CENTISECOND


def _milliseconds(seconds: float | None) -> int:
    return (microseconds(seconds or 0.0) + MILLISECOND // 2) // MILLISECOND


def _lrc_stamp(seconds: float | None) -> str:
    """Return ``mm:ss.xx``; minutes are counted on after 99."""
    rest, hundredths = divmod(_centiseconds(seconds), 100)
    return f"{rest // 60:02}:{rest % 60:02}.{hundredths:02}"


def _srt_stamp(seconds: float) -> str:
    return _vtt_time(_milliseconds(seconds)).replace(".", ",")


def _vtt_time(milliseconds: int) -> str:
    rest, thousandths = divmod(milliseconds, 1000)
    return f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}.{thousandths:03}"


def _ass_time(centiseconds: int) -> str:
    rest, hundredths = divmod(centiseconds, 100)
    return f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}.{hundredths:02}"
