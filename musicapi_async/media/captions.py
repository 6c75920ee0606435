"""Writers of timed lyrics: LRC, SRT, WebVTT and ASS. No I/O.

They are written here and not by a library, since no maintained one escapes and rounds correctly: pysubs2 and webvtt-py
do not escape WebVTT, ``srt.compose`` drops cues without length, with no error, and pylrc drops every line after the
first hour. Each stamp is rounded from the time itself, half up, so that errors do not add up.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from musicapi_async.media.lines import Line

__all__ = ["BRACKETS", "ass", "lrc", "lrc_stamp", "srt", "vtt"]

HALF: Final = 0.50001
"""Rounds half up, also where a float is a little below the half that it stands for."""
BRACKETS: Final = str.maketrans("[]", "()")
"""For LRC, whose readers take a bracket at the start of a line for a stamp."""
# No reader has an escape for a backslash: a word joiner after it keeps it from being one. A brace that is escaped needs
# an empty block after it for readers that do not know the escape. FFmpeg writes both like this.
_ASS_ESCAPES: Final = str.maketrans({"{": r"\{{}", "\\": "\\\N{WORD JOINER}"})
# SubRip has no escapes, but readers know HTML tags in it, and FFmpeg and pysubs2 also the codes of ASS.
_SRT_ESCAPES: Final = str.maketrans({"{": "(", "}": ")", "\\": "\\\N{WORD JOINER}"})
_SRT_SPECIAL: Final = re.compile(r"[{}\\<]|-->")
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


def lrc(lines: Sequence[Line], tags: Mapping[str, str | None], length: float, *, words: bool) -> str:
    """Return lines as LRC, with an empty stamp at the end; ``words`` adds a stamp before each word.

    Section tags are left out: readers take a bracket at the start of a line for a stamp. There is no ``[offset:]``: its
    sign and unit depend on the reader.
    """
    found = [f"[{name}:{_one_line(value).translate(BRACKETS)}]" for name, value in tags.items() if value]
    minutes, seconds = divmod(round(length), 60)
    found += [f"[length:{minutes:02}:{seconds:02}]", "[by:musicapi-async]"]
    for line in lines:
        text = _stamped_words(line) if words else line.text
        if "[" in text or "]" in text:
            text = text.translate(BRACKETS)
        found.append(f"[{lrc_stamp(line.start)}]{text}")
    if lines:
        found.append(f"[{lrc_stamp(lines[-1].end)}]")
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
        text = _vtt_words(line, start, end) if words else _vtt_text(line.text)
        cues.append(f"{_vtt_time(start)} --> {_vtt_time(end)}\n{text}\n")
    return "\n".join(["WEBVTT\n", *cues])


def ass(lines: Sequence[Line], title: str | None) -> str:
    """Return lines as Advanced SubStation Alpha with karaoke; a pause between two words has a length too."""
    shown = f"Title: {_one_line(title)}\n" if title else ""
    events = []
    for line in lines:
        start, end = _centiseconds(line.start), _centiseconds(line.end)
        text = _ass_words(line, start, end)
        events.append(f"Dialogue: 0,{_ass_time(start)},{_ass_time(end)},Default,,0,0,0,,{text}\n")
    return _ASS_HEADER.format(title=shown) + "".join(events)


def _blanks_of(line: Line) -> list[str]:
    """Return what follows each word in the text of its line: a blank, or nothing after a syllable."""
    text = line.text
    if text == " ".join([word.text for word in line.words]):  # nearly every line
        return [" "] * (len(line.words) - 1) + [""]
    blanks, at = [], 0
    for word in line.words:
        at += len(word.text)
        is_blank = text[at : at + 1] == " "
        blanks.append(" " if is_blank else "")
        at += is_blank
    return blanks


def _stamped_words(line: Line) -> str:
    parts = [
        f"<{lrc_stamp(word.start)}>{word.text}{blank}" for word, blank in zip(line.words, _blanks_of(line), strict=True)
    ]
    return f"{''.join(parts)} <{lrc_stamp(line.end)}>"


def _vtt_words(line: Line, start: int, end: int) -> str:
    """Return the marked-up words; stamps are inside the cue and rise, so the first word has none."""
    parts = []
    before = start
    for word, blank in zip(line.words, _blanks_of(line), strict=True):
        time = _milliseconds(word.start)
        stamp = f"<{_vtt_time(time)}>" if before < time < end else ""
        before = max(before, time)
        parts.append(f"{stamp}<c>{_vtt_text(word.text)}</c>{blank}")
    return "".join(parts)


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _srt_text(text: str) -> str:
    if not _SRT_SPECIAL.search(text):
        return text
    escaped = text.replace("-->", "\N{RIGHTWARDS ARROW}").translate(_SRT_ESCAPES)
    return _TAG_START.sub("<\N{WORD JOINER}", escaped)


def _ass_words(line: Line, start: int, end: int) -> str:
    """Return the words with their lengths, as differences of rounded times: they add up to the line."""
    times = [int((word.start or 0.0) * 100 + HALF) for word in line.words[1:]]
    is_plain = "{" not in line.text and "\\" not in line.text
    parts = []
    at = start
    for word, blank, following in zip(line.words, _blanks_of(line), [*times, end], strict=True):
        sung = int((word.end or 0.0) * 100 + HALF)
        text = word.text if is_plain else word.text.translate(_ASS_ESCAPES)
        pause = f"{{\\kf{following - sung}}}" if sung < following else ""
        parts.append(f"{{\\kf{sung - at}}}{text}{pause}{blank}")
        at = following
    return "".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _centiseconds(seconds: float | None) -> int:
    return int((seconds or 0.0) * 100 + HALF)


def _milliseconds(seconds: float | None) -> int:
    return int((seconds or 0.0) * 1000 + HALF)


def lrc_stamp(seconds: float | None) -> str:
    """Return ``mm:ss.xx``; minutes are counted on after 99."""
    time = int((seconds or 0.0) * 100 + HALF)
    return f"{time // 6000:02}:{time // 100 % 60:02}.{time % 100:02}"


def _srt_stamp(seconds: float) -> str:
    return _vtt_time(_milliseconds(seconds), ",")


def _vtt_time(milliseconds: int, mark: str = ".") -> str:
    hours, rest = divmod(milliseconds, 3_600_000)
    return f"{hours:02}:{rest // 60_000:02}:{rest // 1000 % 60:02}{mark}{rest % 1000:03}"


def _ass_time(centiseconds: int) -> str:
    rest, hundredths = divmod(centiseconds, 100)
    return f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}.{hundredths:02}"
