"""JSON and the cattrs converter: values to the wire and back.

orjson is used when it is installed (extra ``speed``).
"""

import functools
import json
import operator
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override

from musicapi_async.errors import InvalidRequestError
from musicapi_async.results import Clip, Credits, LyricsDraft, LyricsDrafts
from musicapi_async.results.clip import SUCCEEDED
from musicapi_async.results.lenient import items, moment, number, tags, text

__all__ = ["check_json", "read_json", "read_result", "write_json"]

T = TypeVar("T")

try:
    import orjson
except ImportError:

    def read_json(content: bytes) -> object:
        """Read JSON; raises ValueError."""
        found: object = json.loads(content)
        return found

    def write_json(value: object) -> bytes:
        """Write compact JSON."""
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
else:

    def read_json(content: bytes) -> object:
        """Read JSON; raises ValueError."""
        found: object
        try:
            found = orjson.loads(content)
        except ValueError:
            # The standard library also takes NaN and half a letter: they must not hide a song that was paid for.
            found = json.loads(content)
        return found

    def write_json(value: object) -> bytes:
        """Write compact JSON."""
        return orjson.dumps(value)


def check_json(name: str, value: object) -> None:
    """Raise InvalidRequestError for a value that JSON cannot hold, or that its readers would not agree on."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        write_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{name} cannot be sent as JSON: {error}", name, value, "JSON") from error


def read_result(body: object, kind: type[T]) -> T:
    """Structure a reply's value.

    Raises ValueError, TypeError or KeyError when something the result cannot do without is missing.
    """
    return _converter.structure(body, kind)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=False)
    for kind, read in ((str | None, text), (float | None, number), (datetime | None, moment)):
        converter.register_structure_hook_func(functools.partial(operator.eq, kind), read)
    as_it_is = override(struct_hook=lambda value, _: value)
    read_clip = make_dict_structure_fn(
        Clip,
        converter,
        tags=override(struct_hook=tags),
        raw=as_it_is,
        model=override(rename="mv"),
    )
    converter.register_structure_hook(Clip, lambda row, kind: read_clip(_clip_row(row), kind))
    converter.register_structure_hook(Credits, lambda body, _: _credits(body))
    converter.register_structure_hook(LyricsDrafts, lambda body, _: LyricsDrafts(_drafts(body)))
    return converter


def _clip_row(row: Mapping[str, object]) -> dict[str, object]:
    """Put a service's clip under our names; while a clip runs its audio URL is a stream (decision 7)."""
    found = dict(row)
    audio_url = text(row.get("audio_url")) or None
    state = text(row.get("state")) or (SUCCEEDED if audio_url else None)
    is_whole = state == SUCCEEDED
    found["raw"] = row
    found["clip_id"] = text(row.get("clip_id")) or ""
    found["state"] = state
    found["audio_url"] = audio_url if is_whole else None
    found["stream_url"] = None if is_whole else audio_url
    # Riffusion calls its tags sound; the reason of a failure has no fixed name.
    found["tags"] = row.get("sound") if row.get("tags") is None else row["tags"]
    found["error"] = row.get("error_message") or row.get("error") or row.get("message")
    return found


def _credits(body: object) -> Credits:
    if not isinstance(body, Mapping):
        raise TypeError("not an object")
    inner = body.get("data")
    source = inner if isinstance(inner, Mapping) else body
    balance = number(source.get("credits"))
    if balance is None:
        raise ValueError("credits is missing")
    return Credits(credits=balance, extra_credits=number(source.get("extra_credits")) or 0.0)


def _drafts(body: object) -> tuple[LyricsDraft, ...]:
    rows = items(body.get("results")) if isinstance(body, Mapping) else ()
    drafts = tuple(
        LyricsDraft(lyrics=lyrics, title=text(row.get("title"))) for row in rows if (lyrics := text(row.get("lyrics")))
    )
    if not drafts:
        raise ValueError("results holds no lyrics")
    return drafts


_converter: Final = _make_converter()
