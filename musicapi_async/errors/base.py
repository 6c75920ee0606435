"""The base class of all errors, and the limits of the texts that they keep. No I/O."""

from typing import ClassVar

from musicapi_async._bounds import MAX_BODY, MAX_CODE, MAX_MESSAGE, MAX_REASON, bounded_text

__all__ = [
    "MusicAPIError",
    "request_id_text",
    "resumption_of",
    "short_code",
    "short_code_or_none",
    "short_message",
    "short_reason",
    "short_start",
]


class MusicAPIError(Exception):
    """The base of every error of this package.

    Catch it to handle all of them. ``str(error)`` says what was attempted, what happened and, mostly, what to do next.
    """

    _advice: ClassVar[str] = ""
    """The template of ``advice``; a name in braces stands for the field of this name."""
    _states_advice: ClassVar[bool] = True
    """False where the text can be the reason of an UncertainSubmissionError, which has the advice that counts."""

    task_ids: tuple[str, ...] = ()
    """The ids of tasks that an error response to a paid request names; these tasks may have been started and charged.
    Empty for any other error."""
    result_ids: tuple[str, ...] = ()
    """The ids of clips, personas and batches that such a response names; they may have been charged too."""

    @property
    def advice(self) -> str:
        """The next step, in a sentence without a full stop; empty where only the message can name it."""
        return self._advice.format_map(vars(self))

    def _sentences(self, happened: str) -> str:
        """Return what happened, the ids that the response names, and the advice."""
        named = [f"{noun} {', '.join(ids)}" for noun, ids in (("task", self.task_ids), ("id", self.result_ids)) if ids]
        names = f"; the response names {' and '.join(named)}, which may be paid for" if named else ""
        advice = f". {self.advice}" if self.advice and self._states_advice else ""
        return f"{happened}{names}{advice}"


def short_message(text: str) -> str:
    """Return a sentence of the service, shortened to its maximum length; for fields, like the functions below."""
    return bounded_text(text, MAX_MESSAGE)


def short_reason(text: str) -> str:
    """Return a reason, shortened: it may contain the whole text of another error."""
    return bounded_text(text, MAX_REASON)


def short_code(text: str) -> str:
    """Return an error type or an id, shortened."""
    return bounded_text(text, MAX_CODE)


def short_code_or_none(text: str | None) -> str | None:
    """Return an error type or an id, shortened; None stays None."""
    return None if text is None else short_code(text)


def short_start(content: bytes) -> bytes:
    """Return the beginning of a response's content."""
    return content[:MAX_BODY]


def resumption_of(family: str | None, task_id: str) -> str:
    """Return the Python expression that resumes a task."""
    return f"client.{family}.task({task_id!r})"


def request_id_text(request_id: str | None) -> str:
    """Return how a message names the id of a request; empty without one."""
    return f", request id {request_id}" if request_id else ""
