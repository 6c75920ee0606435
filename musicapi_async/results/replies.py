"""What the operations that answer at once return."""

from collections.abc import Sequence
from typing import overload

import attrs

__all__ = ["Credits", "LyricsDraft", "LyricsDrafts"]


@attrs.frozen
class Credits:
    """The account's balance: ``credits`` of the subscription and ``extra_credits`` bought besides."""

    credits: float
    extra_credits: float = 0.0

    @property
    def total(self) -> float:
        """What can be spent: both together."""
        return self.credits + self.extra_credits


@attrs.frozen
class LyricsDraft:
    """One draft of lyrics, with section tags such as ``[Verse]``."""

    lyrics: str
    title: str | None = None


@attrs.frozen
class LyricsDrafts(Sequence[LyricsDraft]):
    """The drafts the service wrote, usually two."""

    drafts: tuple[LyricsDraft, ...] = ()

    @overload
    def __getitem__(self, index: int) -> LyricsDraft: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[LyricsDraft, ...]: ...
    def __getitem__(self, index: int | slice) -> LyricsDraft | tuple[LyricsDraft, ...]:
        """Return the draft at this place."""
        return self.drafts[index]

    def __len__(self) -> int:
        """Return how many drafts there are."""
        return len(self.drafts)
