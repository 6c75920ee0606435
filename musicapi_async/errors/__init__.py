"""The errors of this package, in one tree.

::

    MusicAPIError
    ├── InvalidRequestError        a field is wrong: found before sending (status None), or a 400 or 422
    ├── ConnectionFailedError      no response; nothing was accepted: safe to retry
    ├── UncertainSubmissionError   a paid request may have been accepted
    ├── APIStatusError             the service refused: status, type, message, request_id, body
    │   ├── AuthenticationError        401
    │   ├── PermissionDeniedError      403
    │   │   ├── ModerationError            the text was refused
    │   │   └── SubscriptionError          no active subscription
    │   ├── InsufficientCreditsError   402; 400, 403, 422 or 429 whose message or code says so
    │   ├── GatewayError               a page, a redirect or a proxy's refusal instead of the API's response
    │   ├── NotFoundError              404, or 400 "task not found."
    │   ├── RetiredError               410
    │   ├── RateLimitError             429
    │   └── ServerError                5xx
    ├── InvalidResponseError       a 2xx that differs from the API documentation
    ├── NotReadyError              a file is still being prepared; try again (also a TimeoutError)
    ├── TaskFailedError            the service gave up on a task
    ├── TaskTimeoutError           the timeout expired; the task is still running on the server (also a TimeoutError)
    ├── DownloadError              a file could not be fetched or written
    ├── TagError                   the tags of an audio file cannot be read or written
    ├── MissingExtraError          an optional package is not installed (also an ImportError)
    ├── WebhookVerificationError   an event has no valid signature
    ├── BudgetExceededError        a bulk run reached its credit limit
    ├── BulkStoppedError           a bulk run submits nothing more: its tasks do not end, or cannot be found
    ├── JournalError               a bulk run's journal is in use, damaged, or cannot be written
    ├── ClientClosedError          the client was closed
    ├── UnattachedTaskError        an unpickled task was used before client.attach(task) (also a RuntimeError)
    ├── EventLoopError             called outside its event loop (also a RuntimeError)
    └── RunClosedError             a request was started on a closed run (also a RuntimeError)

Each states what was attempted, on what, and what to do next: ``str(error)`` for people, ``error.advice`` for the last
part alone. None contains the API key. All survive pickling: the raw arguments are the exception's ``args``, and
``__str__`` builds the message.
"""

from musicapi_async.errors.base import MusicAPIError
from musicapi_async.errors.payments import (
    BudgetExceededError,
    BulkStoppedError,
    DownloadError,
    JournalError,
    NotReadyError,
    TaskFailedError,
    TaskTimeoutError,
    UncertainSubmissionError,
)
from musicapi_async.errors.service import (
    APIStatusError,
    AuthenticationError,
    ConnectionFailedError,
    GatewayError,
    InsufficientCreditsError,
    InvalidResponseError,
    ModerationError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RetiredError,
    ServerError,
    SubscriptionError,
)
from musicapi_async.errors.usage import (
    ClientClosedError,
    EventLoopError,
    InvalidRequestError,
    MissingExtraError,
    RunClosedError,
    TagError,
    UnattachedTaskError,
    WebhookVerificationError,
)

__all__ = [
    "APIStatusError",
    "AuthenticationError",
    "BudgetExceededError",
    "BulkStoppedError",
    "ClientClosedError",
    "ConnectionFailedError",
    "DownloadError",
    "EventLoopError",
    "GatewayError",
    "InsufficientCreditsError",
    "InvalidRequestError",
    "InvalidResponseError",
    "JournalError",
    "MissingExtraError",
    "ModerationError",
    "MusicAPIError",
    "NotFoundError",
    "NotReadyError",
    "PermissionDeniedError",
    "RateLimitError",
    "RetiredError",
    "RunClosedError",
    "ServerError",
    "SubscriptionError",
    "TagError",
    "TaskFailedError",
    "TaskTimeoutError",
    "UnattachedTaskError",
    "UncertainSubmissionError",
    "WebhookVerificationError",
]

# Tracebacks and pickles name the module that users import them from.
for _name in __all__:
    globals()[_name].__module__ = __name__
