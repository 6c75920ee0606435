"""One call for each operation, with values for the fields that it needs. A test runs them all."""

from typing import Any, Final

import attrs

from musicapi_async import Request, TaskRequest
from musicapi_async.wire.requests import fields_of

__all__ = ["example_of"]

VALUES: Final = {
    "at": "60",
    "batch_id": "str(batch.batch_id)",
    "clip": "song",
    "clips": "[song, other]",
    "description": '"lofi rain"',
    "end": "20",
    "instruction": '"a heavier guitar"',
    "items": '[sonic.Describe(description="lofi rain")]',
    "lyrics": r'"[Verse]\nThe harbour sleeps"',
    "name": '"Ann"',
    "persona_id": "voice.persona_id",
    "segments": '[nuro.Segment(name="intro", duration=30)]',
    "share_link": '"https://suno.com/s/AbC123"',
    "sound": '"calm piano"',
    "start": "10",
    "tags": '"sea shanty"',
    "title": '"Harbor"',
    "url": '"https://example.org/my-melody.mp3"',
}
"""An expression for each field, by its name."""
OPTIONAL: Final = {
    "sonic.upload_extend": ("lyrics",),
    "sonic.extend": ("lyrics",),
    "sonic.cover": ("lyrics",),
    "sonic.sample": ("url", "lyrics"),
    "sonic.mashup": ("lyrics",),
    "nuro.instrumental_v2": ("segments",),
    "producer.create": ("sound",),
}
"""Fields that are not required by themselves, of operations that need one of several."""
UPLOADED: Final = ("sonic.add_vocals", "sonic.add_instrumental")
RESULTS: Final = {"Songs": "songs", "ExtendedSongs": "songs"}


def example_of(operation: type[Request[Any]]) -> str:
    """Return a call of the operation, on a client and with the clips of earlier calls."""
    name = operation.operation_name
    wanted = [
        field.name
        for field in fields_of(operation)
        if field.default is attrs.NOTHING or field.name in OPTIONAL.get(name, ())
    ]
    arguments = ", ".join(
        f"{field}={'mine' if field == 'clip' and name in UPLOADED else VALUES[field]}" for field in wanted
    )
    waited = ".wait()" if issubclass(operation, TaskRequest) else ""
    result = RESULTS.get(operation.result.__name__, "result")
    return f"{result} = await client.{name}({arguments}){waited}"
