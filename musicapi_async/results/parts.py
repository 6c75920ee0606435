"""Clips that belong together: the stems of a song, and a new part with the whole song that contains it."""

from collections.abc import Mapping

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.results.clip import Clip

__all__ = ["ExtendedSong", "ExtendedSongs", "ReplacedSection", "ReplacedSections", "Stem", "Stems"]


@attrs.frozen(repr=False, eq=False)
class Stem(Result):
    """One separated part of a song."""

    name: str
    """The service's name for the part, such as ``vocals`` or ``Backing Vocals``; not a fixed set."""
    clip: Clip
    """The part's audio."""


@attrs.frozen(repr=False, eq=False)
class Stems(ResultSequence[Stem]):
    """A sequence of the stems of a song; the service determines their number (2, 4, 12 and 24 have been seen).

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        stems = client.sonic.stems(clip=song).wait()
        for stem in stems:
            print(stem.name, stem.clip.audio_url)
        print(stems.by_name.get("vocals"))
    ```
    """

    stems: tuple[Stem, ...] = ()
    """The stems that did not fail, in the service's order."""
    failed: tuple[Clip, ...] = ()
    """Clips of stems that failed while another one succeeded."""

    @property
    def by_name(self) -> Mapping[str, Clip]:
        """The clips by their names in lower case; of two with the same name, the first."""
        found: dict[str, Clip] = {}
        for stem in self.stems:
            found.setdefault(stem.name.lower(), stem.clip)
        return found

    def _items(self) -> tuple[Stem, ...]:
        return self.stems


@attrs.frozen(repr=False, eq=False)
class ReplacedSection(Result):
    """One version of a replaced section."""

    replaced: Clip
    """The new section."""
    full: Clip | None = None
    """The whole song with the new section; None without ``auto_concat``, and where the service never joined it."""


@attrs.frozen(repr=False, eq=False)
class ReplacedSections(ResultSequence[ReplacedSection]):
    """A sequence of the versions of a replaced section.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        song = client.sonic.describe(description="lofi rain").wait()[0]
        sections = client.sonic.replace_section(clip=song, start=10, end=20, section_lyrics="Rain", auto_concat=True)
        for section in sections.wait():
            print(section.replaced.audio_url, section.full)
    ```
    """

    sections: tuple[ReplacedSection, ...] = ()
    """The versions that did not fail, in the service's order."""
    failed: tuple[Clip, ...] = ()
    """Sections that failed while another one succeeded."""

    def _items(self) -> tuple[ReplacedSection, ...]:
        return self.sections


@attrs.frozen(repr=False, eq=False)
class ExtendedSong(Result):
    """One version of a continuation."""

    extended: Clip
    """The continuation alone."""
    full: Clip | None = None
    """The whole song from its beginning; None without ``auto_concat``, and where the service never joined it."""


@attrs.frozen(repr=False, eq=False)
class ExtendedSongs(ResultSequence[ExtendedSong]):
    """A sequence of the versions of a continuation.

    ```python
    from musicapi_sync import MusicAPI

    with MusicAPI() as client:
        songs = client.sonic.upload_extend(url="https://example.org/my-melody.mp3", lyrics="Rain in the harbour").wait()
        print([song.extended.audio_url for song in songs])
    ```
    """

    songs: tuple[ExtendedSong, ...] = ()
    """The versions that did not fail, in the service's order."""
    failed: tuple[Clip, ...] = ()
    """Continuations that failed while another one succeeded."""

    def _items(self) -> tuple[ExtendedSong, ...]:
        return self.songs
