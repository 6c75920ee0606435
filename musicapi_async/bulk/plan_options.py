"""The options of a plan, which its journal keeps for the workers: limits on tasks and credits, attempts, file names."""

import math
from typing import Any, Final

import attrs

from musicapi_async._arguments import is_amount, wrong_argument
from musicapi_async._bounds import shown
from musicapi_async.bulk.journal import PLAN, Journal
from musicapi_async.bulk.requests_file import class_of
from musicapi_async.bulk.saving import checked_template
from musicapi_async.errors import InvalidRequestError, JournalError

__all__ = [
    "MAX_ATTEMPTS",
    "MAX_IN_FLIGHT",
    "PlanOptions",
    "checked_count",
    "checked_rate",
    "options_of",
    "recall_options",
    "remember_options",
]

MAX_IN_FLIGHT: Final = 100_000
MAX_ATTEMPTS: Final = 100


def checked_count(name: str, value: Any, maximum: int) -> int:
    """Return a whole number from 1 to ``maximum``; raises InvalidRequestError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
        message = f"{name} is {shown(value)}; it must be a whole number from 1 to {maximum}"
        raise InvalidRequestError(message, name, value, f"1 to {maximum}")
    return value


def checked_rate(name: str, value: Any) -> float | None:
    """Return a number of requests per second, None for no limit; raises InvalidRequestError for anything else."""
    if value is not None and not (is_amount(value) and 0 < value < math.inf):
        message = f"{name} is {shown(value)}; it must be a number of requests a second above 0, or None"
        raise InvalidRequestError(message, name, value, "> 0, or None")
    return value


def _check_count(maximum: int) -> Any:
    def check(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        if value is not None:
            checked_count(attribute.name, value, maximum)

    return check


def _check_amount(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not (is_amount(value) and math.isfinite(value)):
        message = f"{attribute.name} is {shown(value)}; it must be a number of at least 0, or None for the default"
        raise InvalidRequestError(message, attribute.name, value, ">= 0, or None")


def _check_rate(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    checked_rate(attribute.name, value)


def _check_names(_: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str):
        raise wrong_argument(attribute.name, value, "text, such as {index:05d}-{clip_id}.{ext}")
    checked_template(value)


def _check_operation(_: object, __: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None:
        class_of(value)


@attrs.frozen(kw_only=True)
class PlanOptions:
    """The options of a plan: what every worker on its journal keeps to, all workers together. None is the default.

    Raises InvalidRequestError, naming the option, its value and the limit.
    """

    in_flight: int | None = attrs.field(default=None, validator=_check_count(MAX_IN_FLIGHT))
    """Maximum number of tasks in flight, 1 to 100,000; by default 50."""
    max_credits: float | None = attrs.field(default=None, validator=_check_amount)
    """Maximum number of credits to spend on the journal; by default without limit."""
    create_rate: float | None = attrs.field(default=None, validator=_check_rate)
    """Maximum number of paid requests per second; by default that of the client."""
    attempts: int | None = attrs.field(default=None, validator=_check_count(MAX_ATTEMPTS))
    """Number of times a request is sent when its task fails and is refunded, 1 to 100; by default 3."""
    names: str | None = attrs.field(default=None, validator=_check_names)
    """Template of file names; by default ``{index:05d}-{title}-{clip_id}.{ext}``."""
    timeout: float | None = attrs.field(default=None, validator=_check_amount)
    """Seconds to wait for each task; by default 600."""
    operation: str | None = attrs.field(default=None, validator=_check_operation)
    """The operation of the lines that name none; by default each line must name one."""

    def given(self) -> dict[str, Any]:
        """Return the options that are not the default, by name."""
        return {name: value for name, value in attrs.asdict(self).items() if value is not None}


async def remember_options(journal: Journal, options: PlanOptions) -> None:
    """Keep the options of a plan in its journal, in place of those before; raises JournalError if that fails."""
    await journal.remember(PLAN, options.given())


async def recall_options(journal: Journal) -> PlanOptions:
    """Return the options that a journal keeps for its plan; all are the default where it keeps none.

    Raises JournalError for options of a newer version of this package, and for those that this one does not accept.
    """
    return options_of(journal, await journal.recall(PLAN))


def options_of(journal: Journal, kept: object) -> PlanOptions:
    """Return the options in the value that a journal keeps for its plan; raises what ``recall_options`` does."""
    if kept is None:
        return PlanOptions()
    known = {field.name for field in attrs.fields(PlanOptions)}
    if not isinstance(kept, dict) or not all(isinstance(name, str) for name in kept):
        raise JournalError(journal.name, "the options of its plan cannot be read: plan the requests again")
    if unknown := sorted(kept.keys() - known):
        reason = (
            f"its plan has options of a newer version of this package ({', '.join(unknown)}): update it on this "
            "machine, or plan the requests again with this version"
        )
        raise JournalError(journal.name, reason)
    try:
        return PlanOptions(**kept)
    except InvalidRequestError as error:
        reason = f"the options of its plan are refused by this version of the package: {error.message}"
        raise JournalError(journal.name, reason) from error
