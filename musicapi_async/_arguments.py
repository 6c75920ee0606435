"""Errors of wrong arguments: they state the type and what to pass instead, never the contents. No I/O."""

import functools
import inspect
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final, TypeGuard

from musicapi_async._bounds import plain_text
from musicapi_async.errors import InvalidRequestError

__all__ = ["clip_advice", "described", "is_address", "is_amount", "path_argument", "usable_path", "wrong_argument"]

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


@functools.cache
def _advice() -> tuple[tuple[type, str], ...]:
    """Return what to pass instead of a value of each type; the first match counts."""
    # An error is rare: checking arguments does not load all results for it.
    from musicapi_async.results import (  # noqa: PLC0415
        DownloadFiles,
        ExtendedSong,
        ExtendedSongs,
        Midi,
        ReplacedSection,
        ReplacedSections,
        SharedSong,
        Songs,
        Stem,
        Stems,
        UploadedClip,
    )

    return (
        (Songs, "pass one of its clips, such as songs[0]"),
        (Stems, "pass the clip of one stem, such as stems[0].clip"),
        (ExtendedSongs, "pass a clip of one of them, such as songs[0].extended, or songs[0].full where it is not None"),
        (ReplacedSections, "pass a clip of one of them, such as sections[0].replaced, or sections[0].full"),
        (DownloadFiles, "pass one of its files, such as files[0]"),
        (Stem, "pass its clip: stem.clip"),
        (ExtendedSong, "pass its clip: song.extended, or song.full where it is not None"),
        (ReplacedSection, "pass its clip: section.replaced, or section.full where it is not None"),
        (Midi, "pass its address: midi.url"),
        (SharedSong, "pass its address: song.audio_url"),
        (UploadedClip, "it is your own audio, and has an id but no address"),
        (Mapping, "pass a Clip, or from the dict its id for an operation, its address for a download"),
        (PurePath, "pass a clip, a file or a URL of the service; a path on this machine is the target"),
        (bytes, "pass text, such as value.decode()"),
        (Sequence, "pass one of its items, such as songs[0]"),
    )


def wrong_argument(
    name: str, value: object, wanted: str, advice: str = "", at: int | None = None
) -> InvalidRequestError:
    """Return the error of an argument of the wrong type: its type, the wanted one, and what to pass instead.

    ``at`` is the index of the value if the argument is a sequence. The error keeps the value only if it is a number or
    None: anything else may contain lyrics or not be picklable.
    """
    reported = value if value is None or isinstance(value, (bool, int, float)) else type(value).__name__
    shown = name if at is None else f"{name}[{at}]"
    message = f"{shown} is {described(value)}; it must be {wanted}{': ' if advice else ''}{advice}"
    return InvalidRequestError(message, name, reported, wanted)


def path_argument(name: str, value: object, advice: str) -> Path:
    """Return an argument as a path, without opening it.

    Raises InvalidRequestError for anything but a str or a path that is text.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(text := os.fspath(value), str):
        raise wrong_argument(name, value, "a str or a path that is text", advice)
    return Path(text)


def usable_path(name: str, value: object, advice: str) -> Path:
    """Return an argument as ``path_argument`` does, and also refuse a null character, which no system accepts."""
    path = path_argument(name, value, advice)
    if "\0" in str(path):
        raise InvalidRequestError(f"{name} contains a null character; {advice}", name, str(path), "no null character")
    return path


def described(value: object) -> str:
    """Return a description of a value that reveals none of its content."""
    if value is None or isinstance(value, (bool, int, float)):
        return plain_text(value)
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, str):
        return f"a text of {len(value)} characters" if value.strip() else "an empty text"
    from musicapi_async.results import Clip  # noqa: PLC0415

    if isinstance(value, Clip) and not value.clip_id.strip():
        return "a Clip without an id"
    return f"of type {type(value).__name__}"


def is_amount(value: object) -> TypeGuard[float]:
    """Return whether a value is a number of at least 0; NaN, which compares false with everything, is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def is_address(value: object) -> TypeGuard[str]:
    """Return whether a value is the address of a database or a store, such as ``postgresql://...``, and no path."""
    return isinstance(value, str) and _SCHEME.match(value) is not None


def clip_advice(value: object) -> str:
    """Return what to pass instead of a value that is not a clip."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and not value:
        return "it is empty, so there is no clip to pass (clips that failed are in .failed)"
    if (advice := next((advice for fitting, advice in _advice() if isinstance(value, fitting)), None)) is not None:
        return advice
    if inspect.isawaitable(value):
        return "await it first, and pass a clip of its result"
    if callable(wait := getattr(value, "wait", None)):
        first = "await task.wait()" if inspect.iscoroutinefunction(wait) else "task.wait()"
        return f"wait for it, and pass a clip of its result: songs = {first}, then songs[0]"
    has_result = hasattr(value, "result") and not isinstance(value, type)
    return "pass a clip of its result, such as .result[0]" if has_result else "pass one clip, such as songs[0]"
