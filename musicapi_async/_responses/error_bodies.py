"""Parsing of error bodies: messages and codes of the service, of frameworks and of gateways. No I/O."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from musicapi_async._bounds import MAX_CODE, MAX_MESSAGE, bounded_text, without_surrogates
from musicapi_async.wire.json import read_json
from musicapi_async.wire.values import text

__all__ = ["ErrorDetails", "message_in", "read_error"]

MESSAGE_KEYS: Final = ("detail", "error", "message", "msg")
NESTED_KEYS: Final = (
    *("Error", "Message", "error_description", "error_message", "errorMessage", "error_msg", "errmsg", "err", "errors"),
    *("details", "reason", "fault", "faultstring", "exception", "extensions", "body", "response", "data", "result"),
)
"""Other keys under which frameworks and gateways put a message, or an object with one."""
RESULT_KEYS: Final = frozenset({"data", "result"})
SUMMARY_KEYS: Final = ("title", "description")
"""Keys used as the message where no other key has more than one word or a status phrase (RFC 9457)."""
ERROR_OBJECTS: Final = ("error", "Error", "detail", "fault")
"""Objects in a body that may have these keys as well; not ``data``, whose title is a song's."""
CODE_KEYS: Final = ("type", "code", "status", "error_code", "errorCode", "error_type", "name")
PLACES: Final = frozenset({"body", "query", "path", "header"})
"""First elements of a validation error's location, before the field."""
GENERIC: Final = frozenset(status.phrase.lower() for status in HTTPStatus)
MAX_DEPTH: Final = 8
MAX_VALUES: Final = 200
"""Values that are read of one body."""
MAX_ITEMS: Final = 5
"""Entries that are read of one list."""
MAX_JSON: Final = 64 * 1024
"""Characters of texts that are read as JSON, in one body."""
MAX_SENTENCE: Final = 5000
"""Characters of one text that are searched for known statements; ``MAX_SEARCHED`` in all texts of a body."""
MAX_SEARCHED: Final = 25_000


class ErrorDetails:
    """The contents of an error body.

    - ``texts``: the sentences that may be shown, in the order of their keys; those of a list are joined to one.
    - ``sentences``: the same, one by one, for classifying the error.
    - ``codes``: the values of ``type``, ``code`` and similar keys that are texts without blanks.
    - ``outer_types``: the values of ``type`` and ``code`` in the body itself and in its ``error``.
    """

    __slots__ = ("_json_left", "_read_values", "_search_left", "codes", "outer_types", "sentences", "texts")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sentences: list[str] = []
        self.codes: list[str] = []
        self.outer_types: list[str] = []
        self._read_values = 0
        self._json_left = MAX_JSON
        self._search_left = MAX_SEARCHED

    @property
    def message(self) -> str | None:
        """The first sentence that is more than a word or a status phrase, else the first text; None without any."""
        found = next((found for found in self.texts if not _is_generic(found)), None) or next(iter(self.texts), None)
        return bounded_text(found, MAX_MESSAGE) if found else None

    def read(self, value: object, depth: int = 0) -> None:
        """Add the messages and codes in a value of the body."""
        self._read_values += 1
        if depth > MAX_DEPTH or self._read_values > MAX_VALUES:
            return
        if isinstance(value, str):
            self._read_text(value, depth)
        elif isinstance(value, list):
            self._read_list(value, depth)
        elif isinstance(value, dict):
            self._read_object(value, depth)

    def _read_text(self, value: str, depth: int) -> None:
        """Add a text, or the contents of JSON in it: alone, or after a sentence (``HTTP 403: {"error": ...}``)."""
        found = value.strip()
        is_json = found[:1] in {"{", "[", '"'}
        begin = 0 if is_json else found.find("{") if found.endswith("}") else -1
        if begin >= 0 and len(found) <= self._json_left:
            self._json_left -= len(found)
            count = len(self.texts)
            self.read(_json_in(found[begin:]), depth + 1)
            if len(self.texts) > count:
                found = found[:begin].strip()
        if found:
            self._add(found)

    def _add(self, found: str) -> None:
        self.texts.append(bounded_text(found, 2 * MAX_MESSAGE))
        if self._search_left:
            found = without_surrogates(found[: min(MAX_SENTENCE, self._search_left)])
            self._search_left -= min(len(found), self._search_left)
            self.sentences.append(found)

    def _read_list(self, values: list[object], depth: int) -> None:
        count = len(self.texts)
        for value in values[:MAX_ITEMS]:
            self.read(value, depth + 1)
        if found := self.texts[count:]:
            more = [f"and {len(values) - MAX_ITEMS} more"] if len(values) > MAX_ITEMS else []
            self.texts[count:] = ["; ".join([*dict.fromkeys(found), *more])]

    def _read_object(self, given: Mapping[str, object], depth: int) -> None:
        self._read_codes(given, depth)
        location, sentence = given.get("loc"), given.get("msg")
        if location is not None and isinstance(sentence, str):
            self._add_for_field(_field_in(location), sentence)
            return
        count = len(self.texts)
        for key in (*MESSAGE_KEYS, *NESTED_KEYS):
            value = given.get(key)
            if key == "errors" and isinstance(value, dict) and not _has_message(value):
                self._read_fields(value)
            elif key not in RESULT_KEYS or not isinstance(value, (str, list)):
                # ``data`` is an id or the clips, unless it is an object with an error message.
                self.read(value, depth + 1)
        if depth == 0 and all(map(_is_generic, self.texts[count:])):
            for place in (given, *map(given.get, ERROR_OBJECTS)):
                found = [place.get(key) for key in SUMMARY_KEYS] if isinstance(place, Mapping) else []
                for summary in found:
                    self.read(summary, MAX_DEPTH)

    def _read_codes(self, given: Mapping[str, object], depth: int) -> None:
        for key in CODE_KEYS:
            value = given.get(key)
            if isinstance(value, str) and value and len(value) <= MAX_CODE and not _has_blank(value):
                self.codes.append(value)
        if depth == 0:
            for place in (given, given.get("error")):
                values = [place.get("type"), place.get("code")] if isinstance(place, dict) else []
                self.outer_types.extend(value for value in values if isinstance(value, str))

    def _read_fields(self, given: Mapping[str, object]) -> None:
        """Read an object whose keys are fields and whose values are their messages."""
        count = len(self.texts)
        for name, value in list(given.items())[:MAX_ITEMS]:
            sentence = value[0] if isinstance(value, list) and value else value
            if isinstance(sentence, str):
                self._add_for_field(name, sentence)
        if found := self.texts[count:]:
            self.texts[count:] = ["; ".join(found)]

    def _add_for_field(self, field: str, sentence: str) -> None:
        self._add(f"{field}: {sentence}" if field else sentence)


def read_error(body: object) -> ErrorDetails:
    """Parse an error body; never raises, whatever it contains."""
    details = ErrorDetails()
    details.read(body)
    return details


def message_in(body: object) -> str | None:
    """Find the sentence in an error body, at most 500 characters of it; None when there is none."""
    if isinstance(body, dict) and body.get("failed_step"):
        return bounded_text(_step_message(body), MAX_MESSAGE)
    return read_error(body).message


def _step_message(body: Mapping[str, object]) -> str:
    """Name the step at which a one-shot upload ended, the reason, and the clip that can still be used."""
    name, steps = text(body["failed_step"]), body.get("steps")
    step = steps.get(name) if isinstance(steps, dict) else None
    upload = steps.get("upload") if isinstance(steps, dict) else None
    clip_id = text(upload.get("clip_id")) if isinstance(upload, dict) and name != "upload" else None
    reason = read_error(step).message or read_error(body).message
    uploaded = f" (the audio was uploaded, and can be used, as clip {clip_id})" if clip_id else ""
    return f"the step {name} failed: {reason or 'it gave no reason'}{uploaded}"


def _json_in(found: str) -> object:
    try:
        return read_json(found.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _field_in(location: object) -> str:
    """Return a validation error's location as a dotted path, without the part of the request it is in."""
    parts = location if isinstance(location, list) else [location]
    if len(parts) > 1 and isinstance(parts[0], str) and parts[0] in PLACES:
        parts = parts[1:]
    return bounded_text(".".join(found for part in parts[:MAX_DEPTH] if (found := text(part))), MAX_CODE)


def _has_message(given: Mapping[str, object]) -> bool:
    return any(isinstance(given.get(key), (str, dict, list)) for key in (*MESSAGE_KEYS, "code"))


def _has_blank(found: str) -> bool:
    return len(found.split(None, 1)) > 1


def _is_generic(found: str) -> bool:
    return not _has_blank(found) or found.rstrip(".!").lower() in GENERIC
