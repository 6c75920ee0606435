"""Base classes of results: values that become JSON, and results that are sequences."""

from collections.abc import Sequence
from typing import TypeVar, cast, overload

from musicapi_async.wire.converter import unstructure

__all__ = ["Result", "Several"]

T_co = TypeVar("T_co", covariant=True)


class Result:
    """A value that the service returned."""

    __slots__ = ()

    def to_dict(self) -> dict[str, object]:
        """Return the public fields as plain JSON values, for ``json.dumps``: times as ISO 8601, no ``raw``."""
        return cast("dict[str, object]", unstructure(self))


class Several(Result, Sequence[T_co]):
    """A sequence over one of the fields of its subclass."""

    __slots__ = ()

    def _items(self) -> tuple[T_co, ...]:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, index: int | slice) -> T_co | tuple[T_co, ...]:
        """Return the item at an index, or a tuple of the items of a slice."""
        return self._items()[index]

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items())
