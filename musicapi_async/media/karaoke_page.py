"""Karaoke pages: a song with its lyrics as one HTML file, in which the word that is sung is marked."""

import os
from html import escape
from pathlib import Path
from string import Template
from typing import Final, TypeAlias
from urllib.parse import quote, urlsplit

from musicapi_async._arguments import path_argument, usable_path, wrong_argument
from musicapi_async.errors import InvalidRequestError
from musicapi_async.media.names import write_text
from musicapi_async.media.pieces import printable
from musicapi_async.media.player import lyrics_for_player, page_policy, player_resource
from musicapi_async.media.timeline import Timeline

__all__ = ["karaoke"]

Source: TypeAlias = str | os.PathLike[str]
SUFFIXES: Final = (".html", ".htm")
SCHEMES: Final = ("http", "https")
TIMELINE_ADVICE: Final = "pass media.Timeline.of(clip)"


def karaoke(
    path: str | os.PathLike[str],
    timeline: Timeline,
    *,
    audio: str | os.PathLike[str] | tuple[str | os.PathLike[str], str | os.PathLike[str]],
    cover: str | os.PathLike[str] | None = None,
    title: str | None = None,
) -> Path:
    """Write a page that plays a song and marks the word that is sung, and return its path.

    The page is one HTML file without anything from other places. It refers to ``audio`` and ``cover``, which are files
    in the folder of the page or in folders below it, so that the whole folder can be moved; or they are addresses
    (``https://...``). A click on a line plays the song from there.

    For a song that is still being made, ``audio`` is a pair: the clip's ``stream_url``, and the file or address of the
    finished song. The page plays the stream, moves to the finished file as soon as that is there, and keeps its place.

    ``title`` is by default that of the timeline, or the name of the page. The file is written completely or not at all;
    its suffix is ``.html`` or ``.htm``.

    Raises InvalidRequestError for a timeline without lines, for another suffix, and for a file that is missing or in
    another folder (the second one of a pair may be missing); OSError where the page cannot be written.
    """
    target = usable_path("path", path, 'pass a name for the page: "harbor.html"')
    if target.suffix.lower() not in SUFFIXES:
        accepted = " or ".join(SUFFIXES)
        message = f"path has the suffix {target.suffix!r}; it must be {accepted}"
        raise InvalidRequestError(message, "path", str(target), accepted)
    if not isinstance(timeline, Timeline):
        raise wrong_argument("timeline", timeline, "a Timeline", TIMELINE_ADVICE)
    if not timeline.lines:
        raise InvalidRequestError("timeline has no lines; a karaoke page needs lyrics", "timeline", None, "one line")
    if title is not None and not isinstance(title, str):
        raise wrong_argument("title", title, "a str or None")
    if isinstance(audio, tuple) and len(audio) != len(("stream", "finished")):
        raise wrong_argument("audio", audio, "a file or address, or a pair of them: (stream, finished)")
    first, finished = audio if isinstance(audio, tuple) else (audio, None)
    addresses = {
        "audio": _address("audio", first, target),
        "finished": "" if finished is None else _address("audio", finished, target, may_be_missing=True),
        "cover": "" if cover is None else _address("cover", cover, target),
    }
    write_text(target, _page(timeline, addresses, title or timeline.title or target.stem))
    return target


def _page(timeline: Timeline, addresses: dict[str, str], title: str) -> str:
    script = player_resource("player.js") + player_resource("karaoke.js")
    style = player_resource("player.css") + player_resource("karaoke.css")
    lyrics = lyrics_for_player(timeline)
    # By scheme, not by host: the service's addresses may redirect to another one.
    schemes = sorted({address.partition(":")[0] + ":" for address in addresses.values() if ":" in address})
    cover = f'<img src="{escape(addresses["cover"])}" alt="">\n' if addresses["cover"] else ""
    artist = f'<p class="artist" dir="auto" lang="">{_text(timeline.artist)}</p>\n' if timeline.artist else ""
    return Template(player_resource("karaoke.html")).substitute(
        policy=page_policy(script, style, schemes),
        style=style,
        script=script,
        title=_text(title),
        artist=artist,
        cover=cover,
        lyrics=escape(lyrics.text),
        times=lyrics.times,
        length=timeline.duration or "",
        audio=escape(addresses["audio"]),
        finished=escape(addresses["finished"]),
    )


def _text(text: str) -> str:
    return escape(printable(text))


def _address(name: str, source: Source, page: Path, *, may_be_missing: bool = False) -> str:
    """Return the address of a file as the page refers to it, or an address on the web as it is."""
    if isinstance(source, str) and source.partition("://")[0].lower() in SCHEMES:
        return _web_address(name, source)
    file = path_argument(name, source, "pass the name of a file, or an address (https://...)")
    try:
        # A file that is a link may lead elsewhere.
        parts = (file.parent.resolve() / file.name).relative_to(page.parent.resolve()).parts
    except ValueError:
        parts = ()
    if not parts:
        wanted = f"a file in the folder of the page, {page.parent.absolute()}"
        raise InvalidRequestError(f"{name} is {str(file)!r}; it must be {wanted}", name, str(file), wanted)
    if not may_be_missing and not file.is_file():
        raise InvalidRequestError(f"{name} {str(file)!r} is not a file that exists", name, str(file), "a file")
    # Each part is quoted: a colon would end a scheme (javascript:), # and ? the name.
    return "/".join([quote(os.fsencode(part), safe="") for part in parts])


def _web_address(name: str, text: str) -> str:
    wanted = "an address such as https://host/song.mp3, without blanks"
    try:
        is_valid = bool(urlsplit(text).hostname) and not any(letter.isspace() for letter in printable(text))
    except ValueError:
        is_valid = False
    if not is_valid or printable(text) != text:
        raise InvalidRequestError(f"{name} is {text!r}; it must be {wanted}", name, text, wanted)
    return text
