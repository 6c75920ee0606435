"""A result that is several things of one kind: a plain sequence with a name."""

from collections.abc import Sequence
from typing import TypeVar, overload

__all__ = ["Several"]

T_co = TypeVar("T_co", covariant=True)


class Several(Sequence[T_co]):
    """A sequence over one of the fields of its subclass."""

    __slots__ = ()

    def _items(self) -> tuple[T_co, ...]:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: int | slice) -> T_co | tuple[T_co, ...]:
        """Return the one at this place."""
        return self._items()[index]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._items())
