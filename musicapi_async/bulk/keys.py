"""Keys of requests, under which every run finds their records; an automatic key is a content hash of the request.

A journal outlives the release that wrote it, so a key must not move when a default of the package does. It hashes the
operation and the fields that were given, under their wire names, without those equal to ``DEFAULTS``. That table is a
part of the key's version: an operation that is new is added to it, and nothing in it is ever changed, also when a
default of a request class is. That would need another version, and a migration in ``sqlite/schema.py`` that computes
the keys of stored requests again.
"""

import functools
import hashlib
import json
import re
import sqlite3
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from musicapi_async.bulk.records import Planned
from musicapi_async.errors import InvalidRequestError

if TYPE_CHECKING:
    from musicapi_async._request import TaskRequest

__all__ = ["DEFAULTS", "KEY_VERSION", "Keys", "Occurrences", "canonical", "checked_key", "digest_of"]

KEY_VERSION: Final = 2
MAX_KEY_LENGTH: Final = 200
"""Characters of a key given by the user."""
LENGTH: Final = 24
"""Hex digits of the hash that a key holds."""
SEED: Final = "seed"
"""The one field that takes a number or a text."""
FILTER_BITS: Final = 2**26
"""Size of the filter, 8 MiB: of a million texts, one in a hundred is searched for on disk in vain."""
MAX_LATEST: Final = 50_000
"""Counters in memory, at most."""
_SORTED: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
"""As ``json.dumps``, which makes an encoder each time where it is not the default one."""
WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
Fields = Mapping[str, object]

# Wire names with their dots. A flag that is false says what its absence does.
_FLAGS: Final[Fields] = {"make_instrumental": False}
_SONG: Final[Fields] = {"mv": "sonic-v6", **_FLAGS}
_DRAFTED: Final[Fields] = {**_SONG, "auto_lyrics": False}
_CDN: Final[Fields] = {"use_suno_cdn": False}
_FUZZ: Final[Fields] = {"mv": "FUZZ-1.1 Pro"}
_STUDIO: Final[Fields] = {
    "prompt_strength": 0.5,
    "clarity_strength": 0.25,
    "lyrics_strength": 0.5,
    "generation_quality": 0.75,
    "model_type": "studio130-v1.5",
    "bypass_prompt_optimization": False,
}
DEFAULTS: Final[Mapping[str, Fields]] = MappingProxyType(
    {
        "nuro.instrumental": {},
        "nuro.instrumental_v2": {},
        "nuro.vocal": {},
        "producer.cover": {},
        "producer.create": {},
        "producer.download": {},
        "producer.extend": {},
        "producer.replace": {},
        "producer.upload": {},
        "riffusion.cover": _FUZZ,
        "riffusion.create": {**_FUZZ, **_FLAGS},
        "riffusion.describe": _FUZZ,
        "riffusion.extend": _FUZZ,
        "riffusion.replace_section": _FUZZ,
        "riffusion.swap_sound": _FUZZ,
        "riffusion.swap_vocals": _FUZZ,
        "sonic.add_instrumental": {"mv": "sonic-v6", **_CDN},
        "sonic.add_vocals": {"mv": "sonic-v6", **_CDN},
        "sonic.concat": _CDN,
        "sonic.cover": {**_DRAFTED, **_CDN},
        "sonic.create": {**_DRAFTED, **_CDN},
        "sonic.create_voice": {},
        "sonic.describe": {**_SONG, **_CDN},
        "sonic.extend": {**_DRAFTED, **_CDN},
        "sonic.full_stems": {},
        "sonic.mashup": _DRAFTED,
        "sonic.persona_song": {**_DRAFTED, **_CDN},
        "sonic.remaster": {"mv": "sonic-v6", **_CDN},
        "sonic.replace_section": {"mv": "sonic-v6", "auto_concat": False},
        "sonic.sample": _DRAFTED,
        "sonic.stems": {},
        "sonic.upload_cover": _SONG,
        "sonic.upload_extend": {**_SONG, "auto_concat": False},
        "studio.create": _STUDIO,
        "studio.describe": _STUDIO,
        "studio.extend": {**_STUDIO, "config.mode": "continuation", "instrumental": False},
        "studio.instrumental": _STUDIO,
        "suno.create": {**_DRAFTED, **_CDN},
        "suno.describe": {**_SONG, **_CDN},
        "suno.make_lyrics": {},
    }
)
"""Fields that are no part of a key of version 2 where they have these values, by operation."""


class Keys:
    """Automatic keys of requests: the same request has the same key, independent of its position in a file.

    Repeated requests are distinguished by an occurrence counter.
    """

    def __init__(self) -> None:
        self._occurrences = Occurrences()

    def planned(self, request: "TaskRequest[Any]", names: Collection[str] | None = None) -> Planned:
        """Give a request an automatic key: a hash of its fields, or of those of these names, and an occurrence counter.

        The hash covers the given fields, not the sent ones, so that a changed default does not change the key.
        """
        operation = request.operation_name
        digest = digest_of(operation, request.given(names))
        key = f"{KEY_VERSION}-{digest}-{self._count(digest)}"
        return Planned(key=key, operation=operation, request=request.to_wire(), key_version=KEY_VERSION)

    def is_new(self, key: str) -> bool:
        """Return whether a key given by the user occurs for the first time."""
        return self._count(f"given {key}") == 1

    def close(self) -> None:
        """Forget all keys."""
        self._occurrences.close()

    def _count(self, key: str) -> int:
        return self._occurrences.count(key)


class Occurrences:
    """Counts how often each text occurs; the counters are on disk, except for the latest, so that memory stays small.

    Most texts occur once. A filter of one bit for each hash shows that a text is new, without a query; for the others
    the counter is read, so that the count is exact. ``max_latest`` counters are in memory.
    """

    def __init__(self, max_latest: int = MAX_LATEST) -> None:
        self._max_latest = max_latest
        self._latest: dict[str, int] = {}

    @functools.cached_property
    def _filter(self) -> bytearray:
        return bytearray(FILTER_BITS // 8)

    @functools.cached_property
    def _counters(self) -> sqlite3.Connection:
        # Used by one thread at a time, not always the same.
        counters = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        counters.execute("CREATE TABLE seen (key TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID")
        return counters

    def count(self, text: str) -> int:
        """Count a text; return how often it has occurred."""
        place = hash(text) % FILTER_BITS
        if (found := self._latest.get(text)) is None:
            found = self._stored(text) if self._filter[place >> 3] & 1 << (place & 7) else 0
        self._filter[place >> 3] |= 1 << (place & 7)
        self._latest[text] = found + 1
        if len(self._latest) == self._max_latest:
            self._store()
        return found + 1

    def close(self) -> None:
        """Forget all texts."""
        if "_counters" in self.__dict__:
            self._counters.close()

    def _stored(self, text: str) -> int:
        if "_counters" not in self.__dict__:
            return 0
        found = self._counters.execute("SELECT count FROM seen WHERE key = ?", (text,)).fetchone()
        return 0 if found is None else int(found[0])

    def _store(self) -> None:
        # In the order of the table, each of its pages is written once.
        latest = ((text, self._latest[text]) for text in sorted(self._latest))
        self._counters.execute("BEGIN")
        self._counters.executemany("INSERT OR REPLACE INTO seen VALUES (?, ?)", latest)
        self._counters.execute("COMMIT")
        self._latest.clear()


def checked_key(key: object) -> str:
    """Return a valid key; raises InvalidRequestError for an invalid one."""
    if not isinstance(key, str) or not key.strip() or len(key) > MAX_KEY_LENGTH or not key.isprintable():
        message = f"key is {key!r}; it must be text of at most {MAX_KEY_LENGTH} printable characters"
        raise InvalidRequestError(message, "key", key, MAX_KEY_LENGTH)
    return key


def digest_of(operation: str, given: Fields) -> str:
    """Return the hash of a request, from the fields that were given, under their wire names."""
    defaults = DEFAULTS.get(operation, {})
    fields = {
        name: value
        for name, found in given.items()
        if (value := canonical(_number_in(found) if name == SEED else found)) is not None
        if not (name in defaults and _is_same(value, defaults[name]))
    }
    text = _SORTED([operation, fields])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def _number_in(seed: object) -> object:
    """Return a seed that is a whole number in a text as the number: a CSV file does not distinguish them."""
    return int(seed) if isinstance(seed, str) and WHOLE_NUMBER.fullmatch(seed) else seed


def canonical(value: object) -> object:
    """Return a JSON value in the one form of all that mean the same.

    Whole numbers are integers, line ends are LF, and what is null in an object is left out.
    """
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n") if "\r" in value else value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: canonical(one) for name, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [canonical(one) for one in value]
    return value


def _is_same(value: object, default: object) -> bool:
    # False is no 0, which a field of numbers may hold.
    return value == canonical(default) and isinstance(value, bool) == isinstance(default, bool)
