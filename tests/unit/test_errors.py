"""The tree of errors: as documented, and unchanged by pickle and copy."""

import copy
import inspect
import pickle
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from musicapi_async import Clip, errors, sonic

# One value for each parameter that an error takes.
VALUES: dict[str, object] = {
    "age": 301.5,
    "attempted": "POST /sonic/create",
    "balance": 100.0,
    "balance_at": datetime(2026, 11, 23, 8, 0, tzinfo=UTC),
    "clips": (Clip(clip_id="c-1", state="succeeded"),),
    "body": {"error": "No.", "code": [1, None]},
    "extra": "media",
    "family": "sonic",
    "field": "title",
    "header": "X-Webhook-Signature",
    "replacement": "client.sonic",
    "last_seen": "running",
    "limit": 80,
    "message": "the lyrics contain copyrighted content: 'Don't Stop'.",
    "needed_for": "reading and writing tags",
    "package": "mutagen",
    "path": "harbor.mp3",
    "price": 20.0,
    "reason": "the server disconnected",
    "reference": "0" * 32,
    "refunded": True,
    "request": sonic.Describe(description="rain"),
    "request_id": "r-7",
    "resumption": "client.resume(sonic.BasicStems, 't-1')",
    "retry_after": 12.5,
    "spent": 80.0,
    "source": "https://files.example/1.mp3",
    "start": b"<html>",
    "status": 503,
    "task_id": "t-1",
    "type": "api_error",
    "value": "x" * 81,
    "waited": 600.0,
    "when": datetime(2026, 11, 23, 8, 30, tzinfo=UTC),
}


def arguments_of(name: str) -> tuple[object, ...]:
    """Give a value for every parameter of an error, or a sentence where it takes only that."""
    return tuple(VALUES[parameter] for parameter in parameters_of(name)) or ("the signature is too old",)


def parameters_of(name: str) -> list[str]:
    """Name what an error takes; nothing for one that takes what every exception takes."""
    init = getattr(errors, name).__init__
    return list(inspect.signature(init).parameters)[1:] if inspect.isfunction(init) else []


def make(name: str) -> errors.MusicAPIError:
    error = getattr(errors, name)(*arguments_of(name))
    assert isinstance(error, errors.MusicAPIError)
    return error


def drawn_parents(drawing: str) -> dict[str, str]:
    """Read each error's parent from the drawing: the nearest one above that stands further left."""
    above: dict[int, str] = {-1: "MusicAPIError"}
    parents = {}
    for branch in re.finditer(r"^ *(?P<trunk>[│ ]*)[├└]── (?P<name>\w+)", drawing, re.MULTILINE):
        depth = len(branch["trunk"])
        above = {place: name for place, name in above.items() if place < depth}
        parents[branch["name"]] = above[max(above)]
        above[depth] = branch["name"]
    return parents


def test_error_tree_is_as_documented() -> None:
    assert errors.__doc__ is not None
    drawn = drawn_parents(errors.__doc__)

    real = {
        name: next(base.__name__ for base in getattr(errors, name).__mro__[1:] if base.__name__ in errors.__all__)
        for name in errors.__all__
        if name != "MusicAPIError"
    }
    assert drawn == real
    assert len(real) == 29


def test_every_error_class_of_the_module_is_exported() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}

    assert sorted(classes) == errors.__all__


def test_errors_inherit_from_the_builtin_exceptions() -> None:
    assert issubclass(errors.InvalidRequestError, ValueError)
    assert issubclass(errors.TaskTimeoutError, TimeoutError)
    assert issubclass(errors.NotReadyError, TimeoutError)


@pytest.mark.parametrize(
    "travel",
    [
        copy.copy,
        copy.deepcopy,
        *(
            lambda error, protocol=protocol: pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own bytes
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
    ids=["copy", "deepcopy", *(f"pickle{protocol}" for protocol in range(pickle.HIGHEST_PROTOCOL + 1))],
)
@pytest.mark.parametrize("name", errors.__all__)
def test_error_that_is_copied_or_pickled_is_unchanged(
    name: str, travel: Callable[[errors.MusicAPIError], errors.MusicAPIError]
) -> None:
    error = make(name)

    arrived = travel(error)

    assert type(arrived) is type(error)
    assert vars(arrived) == vars(error)
    assert str(arrived) == str(error)
    assert arrived.args == error.args


@pytest.mark.parametrize("name", errors.__all__)
def test_error_args_are_the_given_arguments(name: str) -> None:
    assert make(name).args == arguments_of(name)


@pytest.mark.parametrize("name", errors.__all__)
def test_error_attributes_are_the_given_arguments(name: str) -> None:
    error = make(name)

    assert vars(error) == {parameter: VALUES[parameter] for parameter in parameters_of(name)}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("AuthenticationError", "MUSICAPI_KEY"),
        ("ClientClosedError", "client.resume(sonic.BasicStems, 't-1')"),
        ("ConnectionFailedError", "safe to try again"),
        ("InsufficientCreditsError", "client.account.credits()"),
        ("RateLimitError", "POST /sonic/create"),
        ("ServerError", "request id r-7"),
        ("TaskFailedError", "its credits were refunded"),
        ("TaskTimeoutError", "client.resume(sonic.BasicStems, 't-1')"),
        ("UncertainSubmissionError", "2026-11-23 08:30:00 UTC may have been accepted"),
        ("InvalidResponseError", "begins b'<html>'"),
    ],
)
def test_error_message_says_what_to_do_next(name: str, sentence: str) -> None:
    assert sentence in str(make(name))


# What to do about these is in the message alone.
WITHOUT_ADVICE = {"APIStatusError", "JournalError", "MusicAPIError", "TagError"}
# Their text can be the reason of an UncertainSubmissionError, whose request must not be tried again.
NESTED = {"InvalidResponseError", "ServerError"}


@pytest.mark.parametrize("name", sorted({*errors.__all__} - WITHOUT_ADVICE))
def test_error_advice_is_a_sentence_with_its_values(name: str) -> None:
    advice = make(name).advice

    assert advice[:1].isupper()
    assert advice[-1] != "."
    assert "{" not in advice


def test_error_advice_ends_the_message() -> None:
    advised = [name for name in errors.__all__ if name not in WITHOUT_ADVICE | NESTED and parameters_of(name)]

    assert [name for name in advised if not str(make(name)).endswith(make(name).advice)] == []
    assert errors.TaskTimeoutError("sonic", "t-1", 600.0).advice.endswith("with client.sonic.task('t-1')")


@pytest.mark.parametrize("name", sorted(NESTED))
def test_error_that_can_be_a_reason_has_no_advice_in_its_text(name: str) -> None:
    assert make(name).advice not in str(make(name))


@pytest.mark.parametrize("name", errors.__all__)
def test_error_class_is_named_by_the_public_module(name: str) -> None:
    cls = getattr(errors, name)

    assert f"{cls.__module__}.{cls.__qualname__}" == f"musicapi_async.errors.{name}"
    assert pickle.loads(b"cmusicapi_async.errors\n" + name.encode() + b"\n.") is cls  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    ("message", "offending"),
    [
        ("The lyrics contain copyrighted content: 'Yesterday'. Please use original lyrics.", "Yesterday"),
        ("The lyrics contain inappropriate content: 'Don't Stop'.", "Don't Stop"),
        ("The song description contains artist names: 'O'Brien' which is not allowed.", "O'Brien"),
        ("The song description needs moderation review.", None),
        ("", None),
    ],
)
def test_moderation_error_names_the_offending_text(message: str, offending: str | None) -> None:
    assert errors.ModerationError("POST /sonic/create", 403, message).offending == offending


def test_task_failed_error_without_a_refund_does_not_claim_one() -> None:
    error = errors.TaskFailedError("sonic", "t-1", "no luck", refunded=False)

    assert "were refunded" not in str(error)


def test_client_closed_error_without_a_task_has_no_resumption() -> None:
    assert errors.ClientClosedError().resumption is None
    assert errors.ClientClosedError("sonic", "t-1").resumption == "client.sonic.task('t-1')"
    assert errors.TaskTimeoutError("sonic", "t-1", 600.0, "running").resumption == "client.sonic.task('t-1')"


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("task not found.", "Ids belong to one host and one account"),
        ("Not Found", "The host may not have this path: check base_url"),
        ("404: Not Found", "The host may not have this path: check base_url"),
    ],
)
def test_not_found_error_of_a_path_does_not_speak_of_ids(message: str, advice: str) -> None:
    error = errors.NotFoundError("GET /sonic/tusk/1", 404, message)

    assert error.advice.startswith(advice)
    assert advice in str(error)
