"""Operations, each defined completely by one request class.

``@operation(POST, "/sonic/create", ..., task_type="create_music")`` turns a class into one of
frozen, keyword-only, checked values; its base states the result: the response to a ``Request[Credits]`` holds the
result, a ``TaskRequest[Songs]`` starts a task.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, dataclass_transform, get_args, get_origin

import attrs

from musicapi_async._clip_fields import clip_field, clips_field
from musicapi_async._fields import (
    flag,
    number_field,
    parts_field,
    seed_field,
    tags_field,
    text_field,
    texts_field,
    webhook_url_field,
)
from musicapi_async._request import Method, Request
from musicapi_async._secrets import revealed, with_secrets
from musicapi_async.errors import InvalidRequestError
from musicapi_async.wire.requests import dig, field_spec, fields_of, missing_field, wire_names

__all__ = ["known_operations", "operation", "operation_at"]

RequestClass = TypeVar("RequestClass", bound="type[Request[Any]]")

_known: "list[type[Request[Any]]]" = []


@dataclass_transform(
    frozen_default=True,
    kw_only_default=True,
    field_specifiers=(
        clip_field,
        clips_field,
        flag,
        number_field,
        parts_field,
        seed_field,
        tags_field,
        text_field,
        texts_field,
        webhook_url_field,
    ),
)
def operation(
    method: Method,
    path: str,
    *,
    credits: float | None,
    as_of: str,
    source: str,
    upload_task_type: str = "",
    **constants: object,
) -> Callable[[RequestClass], RequestClass]:
    """Declare a class as the operation at this path; ``constants`` are sent with every request of it.

    ``upload_task_type`` is the ``task_type`` for an uploaded clip; the other parameters are described in ``Request``.
    """

    def declare(cls: RequestClass) -> RequestClass:
        made = attrs.frozen(kw_only=True, repr=False, eq=False)(cls)
        made.method, made.path, made.constants, made.upload_task_type = method, path, constants, upload_task_type
        made.credits, made.as_of, made.source = credits, as_of, source
        made.family = made.__module__.partition(".requests.")[2].partition(".")[0]
        made.result = _result_of(made)
        made.default_model = next(
            (field_spec(one).sent_default for one in fields_of(made) if one.name == "model"), None
        )
        made.__init__ = _checked(made)  # type: ignore[method-assign]  # the same signature, with our own errors
        _known.append(made)
        return made

    return declare


def known_operations() -> "tuple[type[Request[Any]], ...]":
    """Return the request classes of the families that are loaded."""
    return tuple(_known)


def operation_at(method: str, path: str, body: Mapping[str, object]) -> "type[Request[Any]] | None":
    """Return the loaded operation of a body: the one at this path of which it contains the most constants."""
    at_path = [cls for cls in known_operations() if (cls.method, cls.path) == (method, path)]
    matching = [cls for cls in at_path if _has_constants(body, cls)]
    return max(matching, key=lambda cls: len(cls.constants), default=None)


def _has_constants(body: Mapping[str, object], cls: "type[Request[Any]]") -> bool:
    body = {"task_type": "create_music", "custom_mode": cls.constants.get("custom_mode"), **body}
    if cls.upload_task_type and body["task_type"] == cls.upload_task_type:
        body["task_type"] = cls.constants.get("task_type")
    return all(dig(body, name) == value for name, value in cls.constants.items())


def _result_of(cls: "type[Request[Any]]") -> type:
    """Return the R of the nearest ``Request[R]`` among a class's bases."""
    bases = (base for parent in cls.__mro__ for base in vars(parent).get("__orig_bases__", ()))
    found: type = next(get_args(base)[0] for base in bases if issubclass(get_origin(base), Request))
    return found


def _checked(cls: "type[Request[Any]]") -> Callable[..., None]:
    """Return the constructor, wrapped so that an unknown or missing keyword is an InvalidRequestError with a hint.

    A traceback through it, which may show local variables, shows no secret.
    """
    build: Callable[..., None] = cls.__init__
    # The types that a caller may pass, rather than those a converter is annotated with.
    build.__annotations__ = {field.name: field.type for field in fields_of(cls)} | {"return": None}
    names = wire_names(cls)
    required = {field.name for field in fields_of(cls) if field.default is attrs.NOTHING}

    @functools.wraps(build)
    def init(self: Request[Any], /, *values: object, **given: object) -> None:
        given = with_secrets(given)
        if values:
            values = ()
            raise _unnamed_field(cls.operation_name, names)
        try:
            build(self, **revealed(given))
        except InvalidRequestError as error:
            raise error.with_traceback(None)  # noqa: B904 - the same error, without the frames that hold the texts
        except TypeError:
            if required <= given.keys() <= names.keys():
                raise
        else:
            return
        if unknown := given.keys() - names.keys():
            raise _unknown_field(cls.operation_name, min(unknown), names)
        raise missing_field(cls, min(required - given.keys()))

    return init


def _unnamed_field(operation_name: str, names: Mapping[str, str]) -> InvalidRequestError:
    first = next(iter(names))
    message = f"{operation_name} takes its fields by name, such as {first}=..."
    return InvalidRequestError(message, None, None, tuple(names))


USUAL_NAMES: Final = {"tags": ("style", "styles", "genre", "genres")}
"""What others call a field, for the hint about an unknown one: by its letters alone ``style`` is close to ``title``."""


def _unknown_field(operation_name: str, name: str, names: Mapping[str, str]) -> InvalidRequestError:
    import difflib  # noqa: PLC0415 - for errors alone

    ours = {wire: field for field, wire in names.items()}
    usual = next((field for field in names if name in USUAL_NAMES.get(field, ())), None)
    close = ours.get(name) or usual or next(iter(difflib.get_close_matches(name, names, 1)), None)
    hint = f"did you mean {close}?" if close else f"it takes {', '.join(names)}"
    # Without its value: under a wrong name it may be a secret.
    return InvalidRequestError(f"{operation_name} has no field {name}: {hint}", name, None, tuple(names))
