"""The fields of requests that name clips."""

from typing import Any, TypeAlias

import attrs

from musicapi_async._arguments import clip_advice, wrong_argument
from musicapi_async._fields import can_be_sent, is_iterable
from musicapi_async.errors import InvalidRequestError
from musicapi_async.results import Clip, UploadedClip
from musicapi_async.wire.requests import FieldSpec

__all__ = ["ClipOrId", "clip_field", "clips_field"]

ClipOrId: TypeAlias = Clip | UploadedClip | str
"""A clip, an uploaded clip, or the id of a clip; a request keeps the id, and whether the clip was uploaded."""


def clip_field(
    *,
    wire: str,
    default: Any = attrs.NOTHING,
    has_upload_variant: bool = False,
    only_uploaded: bool = False,
) -> Any:
    """Declare a source clip; the request keeps its id.

    With ``has_upload_variant`` it also keeps whether the clip was uploaded: the service has another task type for
    uploads. With ``only_uploaded`` a clip made by the service is refused.
    """

    def convert(value: Any) -> str | UploadedClip | None:
        if only_uploaded and isinstance(value, Clip):
            message = f"clip is {value.clip_id!r}, which the service made; this takes uploaded clips (sonic.upload)"
            raise InvalidRequestError(message, "clip", value.clip_id, "an UploadedClip")
        if value is None and default is None:
            return None
        clip_id = _clip_id(value)
        return UploadedClip(clip_id) if has_upload_variant and isinstance(value, UploadedClip) else clip_id

    spec = FieldSpec(name=wire, serialize=_plain_id, upload_class=UploadedClip if has_upload_variant else None)
    return attrs.field(default=default, converter=convert, metadata=spec.metadata())


def clips_field(*, wire: str, count: int) -> Any:
    """Declare exactly ``count`` source clips."""

    def convert(value: Any) -> tuple[str, ...]:
        if not is_iterable(value):
            raise wrong_argument("clips", value, f"exactly {count} clips, such as songs[:{count}]")
        found = tuple(value)
        if len(found) != count:
            message = f"clips holds {len(found)}; the service takes exactly {count} clips"
            raise InvalidRequestError(message, "clips", len(found), count)
        return tuple(_clip_id(clip, "clips", at) for at, clip in enumerate(found))

    spec = FieldSpec(name=wire, serialize=list)
    return attrs.field(converter=convert, metadata=spec.metadata())


def _clip_id(value: object, name: str = "clip", at: int | None = None) -> str:
    found: object = value if isinstance(value, str) else getattr(value, "clip_id", None)
    if not isinstance(found, str) or not found.strip() or not can_be_sent(found):
        advice = "" if isinstance(value, (str, Clip)) else clip_advice(value)
        raise wrong_argument(name, value, "a Clip or a clip's id", advice, at)
    return found.strip()


def _plain_id(value: str | UploadedClip) -> str:
    return value.clip_id if isinstance(value, UploadedClip) else value
