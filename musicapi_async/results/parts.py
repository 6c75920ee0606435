"""Clips that belong together: the stems of a song, and a new part with its whole song."""

from collections.abc import Mapping

import attrs

from musicapi_async.results.base import Result, ResultSequence
from musicapi_async.results.clip import Clip

__all__ = ["ExtendedSong", "ExtendedSongs", "ReplacedSection", "ReplacedSections", "Stem", "Stems"]


@attrs.frozen
class Stem(Result):
    """One part of a song by itself; ``name`` is the service's, such as ``vocals`` or ``Backing Vocals``."""

    name: str
    clip: Clip


@attrs.frozen
class Stems(ResultSequence[Stem]):
    """The stems of a song, in the service's order; their number (2, 4, 12, 24) depends on the service.

    Clips that failed are in ``failed``.
    """

    stems: tuple[Stem, ...] = ()
    failed: tuple[Clip, ...] = ()

    @property
    def by_name(self) -> Mapping[str, Clip]:
        """The clips under their names in lower case; of two with one name, the first."""
        found: dict[str, Clip] = {}
        for stem in self.stems:
            found.setdefault(stem.name.lower(), stem.clip)
        return found

    def _items(self) -> tuple[Stem, ...]:
        return self.stems


@attrs.frozen
class ReplacedSection(Result):
    """A replaced section; with ``auto_concat`` also the ``full`` song with the section in its place."""

    replaced: Clip
    full: Clip | None = None


@attrs.frozen
class ReplacedSections(ResultSequence[ReplacedSection]):
    """The versions of a replaced section, in the service's order; sections that failed are in ``failed``."""

    sections: tuple[ReplacedSection, ...] = ()
    failed: tuple[Clip, ...] = ()

    def _items(self) -> tuple[ReplacedSection, ...]:
        return self.sections


@attrs.frozen
class ExtendedSong(Result):
    """A continuation; with ``auto_concat`` also the ``full`` song from its beginning."""

    extended: Clip
    full: Clip | None = None


@attrs.frozen
class ExtendedSongs(ResultSequence[ExtendedSong]):
    """The versions of a continuation, in the service's order; continuations that failed are in ``failed``."""

    songs: tuple[ExtendedSong, ...] = ()
    failed: tuple[Clip, ...] = ()

    def _items(self) -> tuple[ExtendedSong, ...]:
        return self.songs
