"""Whether a body is a request the service takes: by the same request classes, in the service's words."""

from collections.abc import Mapping
from typing import Any, Final

from musicapi_async._operation import operation_at
from musicapi_async._request import Request, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests import account, lyrics, nuro, operations, producer, riffusion, sonic, studio, suno
from musicapi_async.wire.requests import dig, wire_names

__all__ = ["RefusedError", "look_paths", "paths", "request_of"]

MODELS: Final = {"sonic": sonic.MODELS, "riffusion": riffusion.MODELS}
MODEL_PREFIXES: Final = {"sonic": ("sonic-", "chirp-"), "riffusion": ("FUZZ-",)}
# Retired ids are still accepted; this one was refused in a live run (contract, sonic 3).
REFUSED_MODELS: Final = ("sonic-v4-5-all",)
WITH_MODE: Final = frozenset(
    {
        "/riffusion/create",
        "/sonic/create",
        "/sonic/mashup",
        "/sonic/sample",
        "/sonic/upload-cover",
        "/sonic/upload-extend",
    }
)
# Task types that do without a mode (contract, sonic 4.1).
NO_MODE: Final = ("concat_music", "remaster", "add_vocals", "add_instrumental")
RETIRED: Final = ("music_variation", "swap_music_vocals", "swap_music_sound")
"""Producer's task types that answer 410 (contract, producer 5.1)."""
# Other spellings the service takes, by family (contract, sonic 4.1 and producer 5.1).
ALIASES: Final[Mapping[str, Mapping[str, str]]] = {
    "sonic": {"lyrics": "prompt"},
    "producer": {
        "starts": "starts_at",
        "ends": "ends_at",
        "lyrics_text": "lyrics",
        "cover_strength": "strength",
    },
}
CHOICES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "/nuro/create": {"type": ("vocal", "bgm")},
    "/studio/create": {
        "config.mode": ("regular", "continuation", "precede"),
        "lyrics_type": ("user", "generate", "instrumental"),
    },
}
"""What tells the operations at a path apart, besides ``task_type`` and ``custom_mode``."""
SAME_PATH: Final = {"/suno/create": "/sonic/create"}
"""Legacy addresses of the same thing (contract, sonic 4.21)."""
FAMILIES: Final = (account, lyrics, nuro, producer, riffusion, sonic, studio, suno)
"""The modules whose operations the sandbox offers; importing them is what makes them known."""


class RefusedError(Exception):
    """A request the service refuses; the text is the service's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def paths() -> frozenset[tuple[str, str]]:
    """Return the method and path of every operation."""
    return frozenset((kind.method, kind.path) for kind in operations())


def look_paths() -> frozenset[str]:
    """Return the paths under which tasks are looked at."""
    return frozenset(kind.poll_path() for kind in operations() if issubclass(kind, TaskRequest))


def request_of(path: str, body: object) -> Request[Any]:
    """Make the request a POST's body stands for; raises RefusedError."""
    if not isinstance(body, Mapping):
        raise RefusedError("The request body should be a JSON object.")
    path = SAME_PATH.get(path, path)
    family = path.split("/")[1]
    told = _in_todays_words(family, body)
    _check_choices(path, told)
    kind = _class_of(family, path, told)
    if "mv" in wire_names(kind).values():
        _check_model(family, told.get("mv"))
    _check_extras(path, kind, told)
    try:
        request = kind.from_wire(told)
    except InvalidRequestError as error:
        raise RefusedError(_in_the_words_of_the_service(kind, error)) from error
    mode = request.to_wire().get("custom_mode")
    if mode is not None and told.get("custom_mode", mode) is not mode:
        text = "'custom_mode' field is invalid" if told["custom_mode"] else "'gpt_description_prompt' field is required"
        raise RefusedError(f"The {text}.")
    return request


def _in_todays_words(family: str, body: Mapping[str, object]) -> dict[str, object]:
    aliases = ALIASES.get(family, {})
    renamed = {aliases[name]: value for name, value in body.items() if name in aliases}
    return {**renamed, **{name: value for name, value in body.items() if name not in aliases}}


def _class_of(family: str, path: str, body: dict[str, object]) -> type[Request[Any]]:
    task_type = body.get("task_type")
    if family == "producer" and task_type in RETIRED:
        raise RefusedError(f"The task type '{task_type}' has been retired.", 410)
    if path.endswith("/create") and family == "riffusion":
        body.setdefault("custom_mode", "lyrics" in body)
    needs_mode = path in WITH_MODE and task_type not in NO_MODE
    kind = operation_at("POST", path, body)
    if needs_mode and not isinstance(body.get("custom_mode"), bool) and (kind or _is_known(path, task_type)):
        raise RefusedError("The 'custom_mode' field should be boolean.")
    if kind is None:
        field = "custom_mode" if _is_known(path, task_type) else "task_type"
        raise RefusedError(f"The '{field}' field is invalid.")
    return kind


def _is_known(path: str, task_type: object) -> bool:
    here = [kind for kind in operations() if kind.path == path]
    return task_type is None or any(
        task_type in [kind.constants.get("task_type"), kind.upload_task_type] for kind in here
    )


def _check_choices(path: str, body: Mapping[str, object]) -> None:
    for name, choices in CHOICES.get(path, {}).items():
        outer = name.partition(".")[0]
        found = dig(body, name)
        if found is None:
            raise RefusedError(f"The '{name if outer in body else outer}' field is required.")
        if found not in choices:
            raise RefusedError(f"The '{name}' field is invalid.")


def _check_extras(path: str, kind: type[Request[Any]], body: Mapping[str, object]) -> None:
    """Refuse what the request classes cannot get wrong: a field of other task types, a flag that is left out."""
    if path == "/sonic/create" and body.get("duration") is not None and "duration" not in wire_names(kind):
        raise RefusedError("The 'duration' field is invalid.")
    if path == "/sonic/sample" and not isinstance(body.get("make_instrumental"), bool):
        raise RefusedError("The 'make_instrumental' field should be boolean.")


def _check_model(family: str, model: object) -> None:
    if model is None and family == "riffusion":
        return
    prefixes = MODEL_PREFIXES.get(family)
    if prefixes is None:
        return
    known = isinstance(model, str) and model.startswith(prefixes)
    if not known or model in REFUSED_MODELS:
        models = " or ".join(f"'{name}'" for name in MODELS[family])
        raise RefusedError(f"The 'mv' field is invalid. The model should be {models}.")


def _in_the_words_of_the_service(kind: type[Request[Any]], error: InvalidRequestError) -> str:
    field = wire_names(kind).get(error.field or "", error.field)
    if error.value is None:
        return f"{field} is required." if field == "description" else f"The '{field}' field is required."
    if isinstance(error.limit, int) and isinstance(error.value, str):
        # The documented limit of a description is 119, of a name 79, and the text says "less than 120", "less than 80".
        less_than = error.limit + 1 if field in {"description", "name"} else error.limit
        return f"The {field} character length should be less than {less_than}."
    if error.limit == "True or False":
        return f"The '{field}' field should be boolean."
    return f"The '{field}' field is invalid."
