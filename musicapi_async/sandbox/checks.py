"""Validation of request bodies by the same request classes, with the service's error messages."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from musicapi_async._operation import operation_at
from musicapi_async._request import Request, TaskRequest
from musicapi_async.errors import InvalidRequestError
from musicapi_async.requests import account, lyrics, nuro, operations, producer, riffusion, sonic, studio, suno
from musicapi_async.results import UploadedClip
from musicapi_async.sandbox.state import ServerState, clip_in
from musicapi_async.wire.requests import dig, wire_names

__all__ = ["RefusedError", "check_clip", "known_models", "paths", "poll_paths", "request_of"]

MODELS: Final[Mapping[str, tuple[str, ...]]] = {"sonic": sonic.MODELS, "riffusion": riffusion.MODELS}
"""The models that the service names when it refuses another."""
RETIRED_MODELS: Final = ("sonic-v5-5", "sonic-v5", "sonic-v4-5-plus", "sonic-v4-5", "sonic-v4", "sonic-v3-5")
"""Models that the service still accepts."""
SAMPLE_MODELS: Final = ("sonic-v4-5-all",)
"""Models that the service refuses but at these paths."""
SAMPLE_PATHS: Final = ("/sonic/sample", "/sonic/mashup")
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
# Task types without a mode.
NO_MODE: Final = ("concat_music", "remaster", "add_vocals", "add_instrumental")
RETIRED: Final = ("music_variation", "swap_music_vocals", "swap_music_sound")
"""Producer's task types whose response is a 410."""
# Other spellings that the service accepts, by family.
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
"""The fields that distinguish the operations at a path, besides ``task_type`` and ``custom_mode``."""
WEBHOOK_FIELDS: Final = ("webhook_url", "webhook_secret")
"""Fields that only the operations that send events accept."""
PATH_ALIASES: Final = {"/suno/create": "/sonic/create"}
"""Legacy paths of other paths."""
FAMILIES: Final = (account, lyrics, nuro, producer, riffusion, sonic, studio, suno)
"""The modules whose operations the sandbox offers; importing them registers these."""


class RefusedError(Exception):
    """A request that the service refuses; the message is the service's."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def paths() -> frozenset[tuple[str, str]]:
    """Return the method and path of every operation."""
    return frozenset((operation.method, operation.path) for operation in operations())


def poll_paths() -> frozenset[str]:
    """Return the paths under which tasks are polled."""
    return frozenset(operation.poll_path() for operation in operations() if issubclass(operation, TaskRequest))


def known_models() -> dict[str, set[str]]:
    """Return the ids of the models that are accepted, by family; a family that is not in it accepts any."""
    ids = [*sonic.MODELS, *RETIRED_MODELS]
    # The other spelling that the service accepts.
    return {"sonic": {*ids, *(f"chirp-{one.removeprefix('sonic-')}" for one in ids)}, "riffusion": {*riffusion.MODELS}}


def request_of(path: str, body: object, models: Mapping[str, Collection[str]]) -> Request[Any]:
    """Return the request of a POST's body; raises RefusedError for an invalid one.

    ``models`` are the accepted models, by family.
    """
    if not isinstance(body, Mapping):
        raise RefusedError("The request body should be a JSON object.")
    path = PATH_ALIASES.get(path, path)
    family = path.split("/")[1]
    fields = _with_current_names(family, body)
    _check_choices(path, fields)
    request_class = _class_of(family, path, fields)
    if "mv" in wire_names(request_class).values():
        _check_model(path, family, fields.get("mv"), models)
    _check_extras(path, request_class, fields)
    try:
        request = request_class.from_wire(fields)
    except InvalidRequestError as error:
        raise RefusedError(_message_of(request_class, error)) from error
    mode = request.to_wire().get("custom_mode")
    if mode is not None and fields.get("custom_mode", mode) is not mode:
        text = (
            "'custom_mode' field is invalid" if fields["custom_mode"] else "'gpt_description_prompt' field is required"
        )
        raise RefusedError(f"The {text}.")
    return request


def check_clip(request: Request[Any], server: ServerState) -> None:
    """Refuse a clip of the wrong origin, and an unknown one where the service does."""
    clip = clip_in(request)
    clip_id = clip.clip_id if isinstance(clip, UploadedClip) else clip
    if clip_id is None:
        return
    is_known, is_uploaded = server.knows_clip(clip_id), clip_id in server.uploaded
    if not is_known and not request.path.endswith("/create"):
        raise RefusedError("clip not found.", 404)
    if is_uploaded and isinstance(request, sonic.AlignLyrics):
        raise RefusedError("clip not found or has no lyrics", 404)
    only_uploaded = isinstance(request, (sonic.AddVocals, sonic.AddInstrumental))
    takes_uploaded = isinstance(clip, UploadedClip) or only_uploaded
    if is_known and (request.upload_task_type or only_uploaded) and is_uploaded != takes_uploaded:
        raise RefusedError("The 'task_type' field is invalid for this clip.")


def _with_current_names(family: str, body: Mapping[str, object]) -> dict[str, object]:
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
    request_class = operation_at("POST", path, body)
    if needs_mode and not isinstance(body.get("custom_mode"), bool) and (request_class or _is_known(path, task_type)):
        raise RefusedError("The 'custom_mode' field should be boolean.")
    if request_class is None:
        field = "custom_mode" if _is_known(path, task_type) else "task_type"
        raise RefusedError(f"The '{field}' field is invalid.")
    return request_class


def _is_known(path: str, task_type: object) -> bool:
    at_path = [operation for operation in operations() if operation.path == path]
    return task_type is None or any(
        task_type in [operation.constants.get("task_type"), operation.upload_task_type] for operation in at_path
    )


def _check_choices(path: str, body: Mapping[str, object]) -> None:
    for name, choices in CHOICES.get(path, {}).items():
        outer = name.partition(".")[0]
        found = dig(body, name)
        if found is None:
            raise RefusedError(f"The '{name if outer in body else outer}' field is required.")
        if found not in choices:
            raise RefusedError(f"The '{name}' field is invalid.")


def _check_extras(path: str, request_class: type[Request[Any]], body: Mapping[str, object]) -> None:
    """Refuse errors that the request classes exclude: a field of another task type, a missing flag."""
    if path == "/sonic/create" and body.get("duration") is not None and "duration" not in wire_names(request_class):
        raise RefusedError("The 'duration' field is invalid.")
    for name in WEBHOOK_FIELDS:
        if body.get(name) is not None and name not in wire_names(request_class).values():
            raise RefusedError(f"The '{name}' field is invalid.")
    if path == "/sonic/sample" and not isinstance(body.get("make_instrumental"), bool):
        raise RefusedError("The 'make_instrumental' field should be boolean.")


def _check_model(path: str, family: str, model: object, models: Mapping[str, Collection[str]]) -> None:
    if family not in models or (model is None and family == "riffusion"):
        return
    if path in SAMPLE_PATHS and model in SAMPLE_MODELS:
        return
    if not isinstance(model, str) or model not in models[family]:
        known = " or ".join(f"'{name}'" for name in MODELS[family])
        raise RefusedError(f"The 'mv' field is invalid. The model should be {known}.")


def _message_of(request_class: type[Request[Any]], error: InvalidRequestError) -> str:
    field = wire_names(request_class).get(error.field or "", error.field)
    if error.value is None:
        return f"{field} is required." if field == "description" else f"The '{field}' field is required."
    if isinstance(error.limit, int) and isinstance(error.value, str):
        # The limit of a description is 119, of a name 79, and the messages say "less than 120" and "less than 80".
        less_than = error.limit + 1 if field in {"description", "name"} else error.limit
        return f"The {field} character length should be less than {less_than}."
    if error.limit == "True or False":
        return f"The '{field}' field should be boolean."
    return f"The '{field}' field is invalid."
