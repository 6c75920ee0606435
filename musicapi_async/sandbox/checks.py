"""Whether a body is a request the service takes: by the same request classes, in the service's words."""

from collections.abc import Mapping
from typing import Any, Final

from musicapi_async._fields import wire_names
from musicapi_async._operation import Request, operations
from musicapi_async.errors import InvalidRequestError
from musicapi_async.families import account, lyrics, riffusion, sonic

__all__ = ["RefusedError", "operations_at", "paths", "request_of"]

DEFAULT_TASK_TYPE: Final = "create_music"
MODELS: Final = {"sonic": sonic.MODELS, "riffusion": riffusion.MODELS}
MODEL_PREFIXES: Final = {"sonic": ("sonic-", "chirp-"), "riffusion": ("FUZZ-",)}
# Retired ids are still accepted; this one was refused in a live run (contract, sonic 3).
REFUSED_MODELS: Final = ("sonic-v4-5-all",)
FAMILIES: Final = (account, lyrics, riffusion, sonic)
"""The modules whose operations the sandbox offers; importing them is what makes them known."""


class RefusedError(Exception):
    """A request the service answers 400 to; the text is the service's."""


def paths() -> frozenset[tuple[str, str]]:
    """Return the method and path of every operation."""
    return frozenset((kind.method, kind.path) for kind in operations())


def operations_at(method: str, path: str) -> list[type[Request[Any]]]:
    """Return the operations that share an endpoint."""
    return [kind for kind in operations() if (kind.method, kind.path) == (method, path)]


def request_of(path: str, body: object) -> Request[Any]:
    """Make the request a POST's body stands for; raises RefusedError."""
    if not isinstance(body, Mapping):
        raise RefusedError("The request body should be a JSON object.")
    kind = _class_of(path, body)
    if "mv" in wire_names(kind).values():
        _check_model(path.split("/")[1], body.get("mv"))
    try:
        return kind.from_wire(body)
    except InvalidRequestError as error:
        raise RefusedError(_in_the_words_of_the_service(kind, error)) from error


def _class_of(path: str, body: Mapping[str, object]) -> type[Request[Any]]:
    candidates = operations_at("POST", path)
    if not any(kind.constants for kind in candidates):
        return candidates[0]
    task_type = body.get("task_type") or DEFAULT_TASK_TYPE
    candidates = [kind for kind in candidates if kind.constants.get("task_type") == task_type]
    if not candidates:
        raise RefusedError("The 'task_type' field is invalid.")
    mode = body.get("custom_mode", "lyrics" in body if path.startswith("/riffusion/") else None)
    if "custom_mode" in candidates[0].constants and not isinstance(mode, bool):
        raise RefusedError("The 'custom_mode' field should be boolean.")
    matching = [kind for kind in candidates if kind.constants.get("custom_mode") in {None, mode}]
    if not matching:
        raise RefusedError("The 'custom_mode' field is invalid.")
    return matching[0]


def _check_model(family: str, model: object) -> None:
    if model is None and family == "riffusion":
        return
    known = isinstance(model, str) and model.startswith(MODEL_PREFIXES[family])
    if not known or model in REFUSED_MODELS:
        models = " or ".join(f"'{name}'" for name in MODELS[family])
        raise RefusedError(f"The 'mv' field is invalid. The model should be {models}.")


def _in_the_words_of_the_service(kind: type[Request[Any]], error: InvalidRequestError) -> str:
    field = wire_names(kind).get(error.field or "", error.field)
    if error.value is None:
        return f"{field} is required." if field == "description" else f"The '{field}' field is required."
    if isinstance(error.limit, int):
        # The documented limit of a description is 119, and the service's text says "less than 120".
        less_than = error.limit + 1 if field == "description" else error.limit
        return f"The {field} character length should be less than {less_than}."
    if error.limit == "True or False":
        return f"The '{field}' field should be boolean."
    return f"The '{field}' field is invalid."
