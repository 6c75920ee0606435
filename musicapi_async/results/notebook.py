"""HTML of clips for notebooks: cover, title, player and lyrics, without scripts and with every text escaped. No I/O.

JupyterLab 4.6 removes the address of a ``<source>`` element in a notebook that is not trusted: here the player itself
has it. Whatever a viewer removes, a line of text names the clip.
"""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from musicapi_async._bounds import without_surrogates

if TYPE_CHECKING:
    from musicapi_async.results.clip import Clip, Songs

__all__ = ["html_of_clip", "html_of_songs"]

MINUTE: Final = 60
COVER: Final = "width:96px;height:96px;object-fit:cover;border-radius:4px;margin:0 1em 0 0"
LYRICS: Final = "white-space:pre-wrap;max-height:20em;overflow:auto;text-align:left"


def html_of_songs(songs: "Songs") -> str:
    """Return the clips of a task one below the other, the failed ones last."""
    return "".join(map(html_of_clip, (*songs.clips, *songs.failed)))


def html_of_clip(clip: "Clip") -> str:
    """Return a clip's cover, title, player and lyrics, where it has them."""
    cover = _address(clip.image_url)
    image = f'<img src="{cover}" alt="" style="{COVER}">' if cover else ""
    return without_surrogates(
        f'<div style="display:flex;align-items:flex-start;margin:0.5em 0">{image}'
        f'<div style="flex:1;min-width:0;text-align:left">{"".join(_parts(clip))}</div></div>'
    )


def _parts(clip: "Clip") -> Iterable[str]:
    yield f"<div><b>{escape(clip.title or 'Untitled')}</b></div>"
    yield f"<div>{escape(_line(clip))}</div>"
    if url := _address(clip.audio_url or clip.stream_url):
        yield f'<audio controls preload="none" style="width:100%;max-width:30em" src="{url}"></audio>'
        name = "audio file" if clip.audio_url else "live stream"
        yield f'<div><a href="{url}" target="_blank" rel="noopener noreferrer">{name}</a></div>'
    if clip.error:
        yield f"<div>{escape(clip.error)}</div>"
    if clip.lyrics:
        lyrics = f'<div dir="auto" style="{LYRICS}">{escape(clip.lyrics)}</div>'
        yield f"<details><summary>Lyrics</summary>{lyrics}</details>"


def _line(clip: "Clip") -> str:
    """Return a line of text about a clip, such as "succeeded, 3:05, sonic-v6, rock, clip 4f1c"."""
    length = "" if clip.duration is None else f"{int(clip.duration) // MINUTE}:{int(clip.duration) % MINUTE:02}"
    known = (clip.state, length, clip.model, clip.tags, clip.clip_id and f"clip {clip.clip_id}")
    return ", ".join(filter(None, known))


def _address(url: str | None) -> str | None:
    """Return an address for an attribute, escaped; None for one that is not of the web, such as ``javascript:``."""
    try:
        is_web = url is not None and urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return None
    return escape(url) if url is not None and is_web else None
