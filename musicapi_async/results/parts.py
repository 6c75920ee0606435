"""Clips that belong together: the stems of a song, and a new part with the whole song that contains it."""

from collections.abc import Mapping

import attrs

from musicapi_async.results.base import Result, Several
from musicapi_async.results.clip import Clip

__all__ = ["ExtendedSong", "ExtendedSongs", "ReplacedSection", "ReplacedSections", "Stem", "Stems"]


@attrs.frozen
class Stem(Result):
    """One separated part of a song."""

    name: str
    """The service's name for the part, such as ``vocals`` or ``Backing Vocals``; not a fixed set."""
    clip: Clip
    """The part's audio."""


@attrs.frozen
class Stems(Several[Stem]):
    """A sequence of the stems of a song; the service determines their number (2, 4, 12 and 24 have been seen)."""

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


@attrs.frozen
class ReplacedSection(Result):
    """One version of a replaced section."""

    replaced: Clip
    """The new section."""
    full: Clip | None = None
    """The whole song with the new section; None without ``auto_concat``, and where the service never joined it."""


@attrs.frozen
class ReplacedSections(Several[ReplacedSection]):
    """A sequence of the versions of a replaced section."""

    sections: tuple[ReplacedSection, ...] = ()
    """The versions that did not fail, in the service's order."""
    failed: tuple[Clip, ...] = ()
    """Sections that failed while another one succeeded."""

    def _items(self) -> tuple[ReplacedSection, ...]:
        return self.sections


@attrs.frozen
class ExtendedSong(Result):
    """One version of a continuation."""

    extended: Clip
    """The continuation alone."""
    full: Clip | None = None
    """The whole song from its beginning; None without ``auto_concat``, and where the service never joined it."""


@attrs.frozen
class ExtendedSongs(Several[ExtendedSong]):
    """A sequence of the versions of a continuation."""

    songs: tuple[ExtendedSong, ...] = ()
    """The versions that did not fail, in the service's order."""
    failed: tuple[Clip, ...] = ()
    """Continuations that failed while another one succeeded."""

    def _items(self) -> tuple[ExtendedSong, ...]:
        return self.songs
