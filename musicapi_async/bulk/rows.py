"""Records as a journal stores them: the values of their columns, and those that a transition changes."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from musicapi_async.bulk.records import Changes, Planned, Record, State, attempts_after, charged_after

__all__ = [
    "ATTEMPT_COLUMNS",
    "COLUMNS",
    "COLUMN_NAMES",
    "JSON_COLUMNS",
    "columns_of",
    "correction_of",
    "given_values",
    "record_of",
    "stored",
    "to_json",
    "to_text",
    "transition_values",
]

COLUMN_NAMES: Final = tuple(field.name for field in attrs.fields(Record))
COLUMNS: Final = ", ".join(COLUMN_NAMES)
ATTEMPT_COLUMNS: Final = "reference, number, task_id, taken_back, is_extra, extra_files"
JSON_COLUMNS: Final = ("request", "clips", "files")
CHANGED_COLUMNS: Final = tuple(
    field.name for field in attrs.fields(Changes) if field.name not in {"was_not_accepted", "lasts"}
)
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""As ``json.dumps``, which makes an encoder each time where it is not the default one."""
TIMES: Final[Mapping[State, str]] = {"sending": "sent_at", "accepted": "accepted_at"}


def record_of(found: Sequence[Any]) -> Record:
    """Return the record in a row with the columns ``COLUMNS``."""
    values: dict[str, Any] = dict(zip(COLUMN_NAMES, found, strict=True))
    for name in JSON_COLUMNS:
        values[name] = json.loads(values[name]) if values[name] else ()
    return Record(**values)


def given_values(changes: Changes) -> dict[str, Any]:
    """Return the values that changes set, by column."""
    return {name: value for name in CHANGED_COLUMNS if (value := getattr(changes, name)) is not None}


def transition_values(record: Record, state: State, changes: Changes) -> dict[str, Any]:
    """Return the values that a transition sets in a record, by column."""
    return {
        "state": state,
        "attempts": attempts_after(record, state, changes),
        "refunds": record.refunds + (state == "refunded"),
        "charged": charged_after(record, state, changes),
        TIMES.get(state, "ended_at"): time.time(),
        **given_values(changes),
        # Also where there is none: that of the attempt before is not this one's.
        **({"reference": changes.reference} if state == "sending" else {}),
    }


def stored(name: str, value: object) -> object:
    """Return a record's value as it is stored in its column."""
    return to_json(value) if name in JSON_COLUMNS else to_text(value)


def columns_of(record: Record) -> tuple[object, ...]:
    """Return the values of ``COLUMNS`` of a record."""
    values = [(name, getattr(record, name)) for name in COLUMN_NAMES]
    return tuple(None if value == () else stored(name, value) for name, value in values)


def correction_of(correction: Planned | None) -> tuple[str | None, str | None]:
    """Return the operation and the request that are planned for the next time a record is sent; None where none are."""
    return (None, None) if correction is None else (correction.operation, to_json(correction.request))


def to_json(value: object) -> str:
    """Return a JSON value as it is stored."""
    text = _ENCODE(value)
    # A lone surrogate, as the service's JSON may hold, becomes the escape it came as.
    return text if _is_whole(text) else json.dumps(value, separators=(",", ":"))


def to_text(value: object) -> object:
    """Return a column's value as it is stored."""
    if not isinstance(value, str) or _is_whole(value):
        return value
    return value.encode("utf-8", "backslashreplace").decode()


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
