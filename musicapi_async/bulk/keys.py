"""Automatic keys: a content hash of a request. No I/O.

A journal outlives the release that wrote it, so a key must not move when a default of the package does. It hashes the
operation and the fields that were given, under their wire names, without those equal to ``DEFAULTS``. That table is a
part of the key's version: an operation that is new is added to it, and nothing in it is ever changed, also when a
default of a request class is. That would need another version, and a step in ``schema.py`` that computes the keys of
stored requests again.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["AUTOMATIC_KEY", "DEFAULTS", "KEY_VERSION", "canonical", "digest_of", "fields_in"]

KEY_VERSION: Final = 2
AUTOMATIC_KEY: Final = re.compile(r"[0-9a-f]{24}-[1-9][0-9]*")
"""The form of an automatic key of version 1; a key given by a user may have it too."""
LENGTH: Final = 24
"""Hex digits of the hash that a key holds."""
SEED: Final = "seed"
"""The one field that takes a number or a text."""
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

# Sent by the releases whose journals have keys of version 1, and no field of the request: from the class, or following
# from the fields. The task types for an uploaded clip are not among them: two requests may differ in them alone.
_TASK_TYPES: Final[Mapping[str, str]] = {
    "producer.cover": "cover_music",
    "producer.create": "create_music",
    "producer.extend": "extend_music",
    "producer.replace": "replace_music",
    "riffusion.cover": "cover_music",
    "riffusion.create": "create_music",
    "riffusion.describe": "create_music",
    "riffusion.extend": "extend_music",
    "riffusion.replace_section": "replace_music",
    "riffusion.swap_sound": "swap_music_sound",
    "riffusion.swap_vocals": "swap_music_vocals",
    "sonic.add_instrumental": "add_instrumental",
    "sonic.add_vocals": "add_vocals",
    "sonic.concat": "concat_music",
    "sonic.cover": "cover_music",
    "sonic.create": "create_music",
    "sonic.describe": "create_music",
    "sonic.extend": "extend_music",
    "sonic.persona_song": "persona_music",
    "sonic.remaster": "remaster",
    "suno.create": "create_music",
    "suno.describe": "create_music",
}
_ADDED: Final = ("custom_mode", "lyrics_type", "type", "version")


def digest_of(operation: str, given: Fields) -> str:
    """Return the hash of a request, from the fields that were given, under their wire names."""
    defaults = DEFAULTS.get(operation, {})
    fields = {
        name: value
        for name, found in given.items()
        if (value := canonical(_number_in(found) if name == SEED else found)) is not None
        if not (name in defaults and _is_same(value, defaults[name]))
    }
    text = json.dumps([operation, fields], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:LENGTH]


def _number_in(seed: object) -> object:
    """Return a seed that is a whole number in a text as the number: a cell of a CSV file does not tell them apart."""
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


def fields_in(operation: str, sent: Fields) -> dict[str, object]:
    """Return the fields of a request that a release with keys of version 1 has stored as it is sent."""
    found = dict(_flat(sent))
    if operation == "studio.extend":
        # Its flag is sent as ``lyrics_type`` alone.
        found["instrumental"] = found.get("lyrics_type") == "instrumental"
    elif operation.startswith("studio."):
        found.pop("config.mode", None)
    if found.get("task_type") == _TASK_TYPES.get(operation):
        found.pop("task_type", None)
    return {name: value for name, value in found.items() if name not in _ADDED}


def _flat(value: Fields, before: str = "") -> Iterator[tuple[str, object]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner


def _is_same(value: object, default: object) -> bool:
    # False is no 0, which a field of numbers may hold.
    return value == canonical(default) and isinstance(value, bool) == isinstance(default, bool)
