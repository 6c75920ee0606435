"""Clips and songs: what every family's finished task becomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Final, Self

import attrs

from musicapi_async.results.lenient import items, number, text
from musicapi_async.results.several import Several

__all__ = ["FAILED", "SUCCEEDED", "Clip", "Songs", "Word"]

SUCCEEDED: Final = "succeeded"
FAILED: Final = "failed"


@attrs.frozen
class Word:
    """One sung word and when it is heard.

    ``start`` and ``end`` are seconds from the beginning of the clip; ``line`` is the index of its line in the
    lyrics, where the service tells it.
    """

    text: str
    start: float | None = None
    end: float | None = None
    line: int | None = None


@attrs.frozen(kw_only=True)
class Clip:
    """One piece of music, as one class for every family's spelling of it.

    Only what the service told is set; everything else is None, and ``raw`` holds the service's own object.

    - ``state`` is ``pending``, ``running``, ``succeeded``, ``failed``, or a word the service invents later; a clip with
      a finished file and no word for it counts as succeeded (contract, decision 7).
    - ``audio_url`` is the finished file, ``stream_url`` a live stream while the clip still runs: never the same thing.
    - ``duration`` is in seconds; ``created_at`` is an aware datetime; ``model`` is the service's echo of ``mv``, which
      may differ from the model that was asked for.
    - ``tags`` is one comma-separated string, also where the service sends a list.
    - ``error`` says why a failed clip failed, where the service tells.
    """

    clip_id: str = ""
    title: str | None = None
    state: str | None = None
    audio_url: str | None = None
    stream_url: str | None = None
    image_url: str | None = None
    video_url: str | None = None
    lyrics: str | None = attrs.field(default=None, repr=False)
    tags: str | None = None
    duration: float | None = None
    created_at: datetime | None = None
    model: str | None = None
    error: str | None = None
    raw: Mapping[str, object] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def is_done(self) -> bool:
        """True when the service will not change this clip any more."""
        return self.state in {SUCCEEDED, FAILED}

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words with their times, in order; empty where the service sends none.

        A song has hundreds: they are read on first access, not when the reply arrives.
        """
        timing = self.raw.get("timestamp")
        return tuple(_word(row) for row in items(timing.get("words"))) if isinstance(timing, Mapping) else ()


@attrs.frozen
class Songs(Several[Clip]):
    """The finished clips of a task, in the service's order: usually two.

    It is a sequence of the clips that did not fail; one whose file never came has no ``audio_url``. Clips that failed
    beside a good one are in ``failed``.
    """

    clips: tuple[Clip, ...] = ()
    failed: tuple[Clip, ...] = ()

    @classmethod
    def from_clips(cls, clips: Sequence[Clip]) -> Self:
        """Sort the clips of a finished task into playable and failed ones."""
        return cls(
            clips=tuple(clip for clip in clips if clip.state != FAILED),
            failed=tuple(clip for clip in clips if clip.state == FAILED),
        )

    def _items(self) -> tuple[Clip, ...]:
        return self.clips


def _word(row: Mapping[str, object]) -> Word:
    line = number(row.get("line_index"))
    return Word(
        text=text(row.get("text")) or "",
        start=number(row.get("start")),
        end=number(row.get("end")),
        line=None if line is None else int(line),
    )
