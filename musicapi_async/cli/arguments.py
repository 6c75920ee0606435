"""Options of the commands, most of them shared by several; and what they check and read before a command runs."""

import math
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from musicapi_async.cli.choices import FAMILIES_FROM_IDEA, FAMILIES_FROM_LYRICS, SONG_FAMILIES
from musicapi_async.cli.exit_codes import UsageError
from musicapi_async.media.caption_formats import CAPTION_FORMATS

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_TIMEOUT",
    "AsJson",
    "Family",
    "Host",
    "LyricsAs",
    "Sandboxed",
    "Source",
    "Tags",
    "Timeout",
    "checked_timeout",
    "read_lyrics",
]

STDIN: Final = Path("-")
DEFAULT_TIMEOUT: Final = 600.0
DEFAULT_HOST: Final = "127.0.0.1"


def _song_families() -> list[str]:
    return [*SONG_FAMILIES]


Family = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        autocompletion=_song_families,
        help=f"The model family: {', '.join(SONG_FAMILIES)}.",
    ),
]
Source = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        autocompletion=_song_families,
        help=f"The model family. From an idea: {', '.join(FAMILIES_FROM_IDEA)}. "
        f"From lyrics: {', '.join(FAMILIES_FROM_LYRICS)}.",
    ),
]
Tags = Annotated[
    bool, typer.Option("--tags", help="Write title, lyrics, cover and ids into the audio, for music players.")
]
LyricsAs = Annotated[
    str | None,
    typer.Option(
        metavar="FORMATS",
        help=f"Also write the lyrics with their times; comma-separated: {','.join(CAPTION_FORMATS)}. For sonic songs "
        "the times cost 1 credit a clip.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", help="How long to wait for the songs. A task that takes longer keeps running on the server."
    ),
]
Sandboxed = Annotated[
    bool, typer.Option("--sandbox", help="Use an embedded fake server: no key, no network, no charge.")
]
Host = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS", help="Address to listen on; any but a loopback address can be reached from other machines."
    ),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object at the end, also on failure, and nothing else to stdout."),
]


def read_lyrics(source: Path) -> str:
    """Return the text of a lyrics file, or of standard input for ``-``; raises UsageError when it cannot be read."""
    try:
        content = sys.stdin.buffer.read() if source == STDIN else source.read_bytes()
        return content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the lyrics from {source}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the lyrics in {source} are not UTF-8 text; save the file as UTF-8") from error


def checked_timeout(timeout: float) -> float:
    """Return ``--timeout``; raises UsageError unless it is a number of seconds above 0."""
    if not (timeout > 0 and math.isfinite(timeout)):
        raise UsageError(f"--timeout is {timeout:g}; it must be a number of seconds above 0")
    return timeout
