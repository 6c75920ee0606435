"""Errors about a call: an invalid field, a closed client or run, another event loop, an unsigned event. No I/O."""

from typing import ClassVar, Literal

import attrs

from musicapi_async._bounds import bounded_body
from musicapi_async.errors.base import MusicAPIError, request_id_text, resumption_of, short_code_or_none, short_message

__all__ = [
    "ClientClosedError",
    "EventLoopError",
    "InvalidRequestError",
    "MissingExtraError",
    "RunClosedError",
    "TagError",
    "UnattachedTaskError",
    "WebhookVerificationError",
]


@attrs.define(slots=False, repr=False)
class InvalidRequestError(MusicAPIError, ValueError):
    """A field of a request, an argument or a setting is wrong.

    Raised before anything is sent, when a request value or a client is made or a method is called, and for a 400 or 422
    of the service. The message names the field, its value and what is accepted. Nothing was charged.
    """

    message: str
    """A sentence that names the mistake and the accepted values; for a refusal, the service's own sentence."""
    field: str | None = None
    """The wrong field; None where the service refused the request without naming one."""
    value: object = None
    """The value that was given; None for a secret, and for a refusal by the service."""
    limit: object = None
    """The values that the field accepts; None where they are not known."""
    status: int | None = None
    """The status of the response; None when the error was found before anything was sent."""
    request_id: str | None = attrs.field(default=None, converter=short_code_or_none)
    """The service's id of the request, for its support; None without one."""
    body: object = attrs.field(default=None, converter=bounded_body)
    """The response's JSON, cut to its informative part where it exceeds 4000 bytes; None without one."""

    @property
    def advice(self) -> str:
        """The next step: correct the field."""
        return f"Correct {self.field or 'the request'}"

    def __str__(self) -> str:
        if self.status is None:
            return self.message
        return self._sentences(f"{self.message} (status {self.status}{request_id_text(self.request_id)})")


@attrs.define(slots=False, repr=False)
class ClientClosedError(MusicAPIError):
    """The client was closed; the task of a pending wait is still running on the server, and can be resumed.

    Raised by a call on a closed client, and by waits and free requests in flight when it is closed.
    """

    family: str | None = None
    """The family of the task's operation; None where no task was waited for."""
    task_id: str | None = None
    """The id of the task; None where no task was waited for."""
    resumption: str | None = attrs.field(
        default=attrs.Factory(lambda self: self.task_id and resumption_of(self.family, self.task_id), takes_self=True)
    )
    """The Python expression that resumes the task, for a client named ``client``; None where none was waited for."""

    @property
    def advice(self) -> str:
        """The next step: make a new client, and resume the task on it if there is one."""
        return f"Resume it with {self.resumption} on a new client" if self.task_id else "Make a new client"

    def __str__(self) -> str:
        if self.task_id is None:
            return self._sentences("the client is closed")
        return self._sentences(
            f"the client was closed while {self.family} task {self.task_id} was waited for; it is still running on the "
            "server"
        )


@attrs.define(slots=False, repr=False)
class UnattachedTaskError(MusicAPIError, RuntimeError):
    """A task that was unpickled belongs to no client.

    Raised by its ``wait``, ``poll`` and ``updates``.
    """

    _advice: ClassVar[str] = "Use client.attach(task), or {resumption}"

    family: str
    """The family of the task's operation, such as ``sonic``."""
    task_id: str
    """The id of the task."""
    resumption: str
    """The Python expression that resumes the task, for a client named ``client``."""

    def __str__(self) -> str:
        return self._sentences(f"{self.family} task {self.task_id} was unpickled and belongs to no client")


class EventLoopError(MusicAPIError, RuntimeError):
    """A client was called outside its event loop: in another loop, on its own loop thread, or after a fork.

    Raised before anything is sent.
    """

    _advice = "Use a client only in the event loop and the process that first used it; make another one elsewhere"


class RunClosedError(MusicAPIError, RuntimeError):
    """A request was started on a closed run.

    Raised before the request is sent.
    """

    _advice = "Start another run"


@attrs.define(slots=False, repr=False)
class MissingExtraError(MusicAPIError, ImportError):
    """An optional package is not installed.

    Raised before anything is sent, read or written.
    """

    _advice: ClassVar[str] = "Install it with: pip install 'musicapi-async[{extra}]'"

    needed_for: str
    """What needs the package."""
    package: str
    """The name of the package."""
    extra: str
    """The extra of this package that installs it."""

    def __str__(self) -> str:
        return self._sentences(f"{self.needed_for} needs {self.package}, which is not installed")


@attrs.define(slots=False, repr=False)
class TagError(MusicAPIError):
    """The tags of an audio file cannot be read or written; the file is unchanged.

    Raised by ``media.tag`` and ``media.read_tags`` for a file of another format, a damaged or a fragmented one, and one
    that the disk does not give or take. The reason says what is wrong with it.
    """

    path: str
    """The audio file."""
    reason: str
    """Why its tags cannot be read or written."""

    def __str__(self) -> str:
        return self._sentences(f"tags of {self.path}: {self.reason}")


@attrs.define(slots=False, repr=False)
class WebhookVerificationError(MusicAPIError):
    """An event cannot be shown to be the service's, or is too old.

    Raised by ``webhooks.verify`` and ``client.webhooks.receive`` before the event is used: respond with a 401. It holds
    neither the secret nor the expected signature.
    """

    _advice: ClassVar[str] = "Do not trust the event; check that the secret is the one that was sent with the request"

    reason: Literal["secret", "missing", "doubled", "malformed", "signature", "encoded", "expired", "body"]
    """The failed check: the ``secret`` is no usable text; a header is ``missing``, ``doubled`` or ``malformed``; the
    ``signature`` is wrong; it is wrong for a body with a Content-Encoding (``encoded``), which the framework may have
    unpacked, or left packed; the event is ``expired``, or from the future; the signed ``body`` is no JSON object."""
    message: str = attrs.field(converter=short_message)
    """A sentence about it."""
    header: str | None = None
    """The header that is missing, doubled or malformed; None for the other reasons."""
    age: float | None = None
    """The seconds from the event's timestamp to this machine's clock, negative for a timestamp in the future; None
    unless ``expired``."""

    def __str__(self) -> str:
        return self._sentences(f"the webhook event cannot be verified: {self.message}")
