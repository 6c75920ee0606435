"""Settings: keys are cleaned of pasted extras, invalid values are named, and the key is shown nowhere."""

import math

import attrs
import pytest

from musicapi_async import MusicAPI, Settings
from musicapi_async.errors import InvalidRequestError


@pytest.mark.parametrize(
    "pasted",
    [
        "k-123",
        "  k-123\n",
        "Bearer k-123",
        "bearer k-123",
        "BEARER   k-123 ",
        '"k-123"',
        "'k-123'",
        '"Bearer k-123"',
        "Bearer 'k-123'",
        " 'Bearer k-123' ",
    ],
)
def test_api_key_with_pasted_extras_is_stripped(pasted: str) -> None:
    assert Settings(api_key=pasted).api_key.reveal() == "k-123"


@pytest.mark.parametrize("key", ["", "  ", '""', "Bearer ", None])
def test_api_key_missing_says_how_to_give_one(key: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="MUSICAPI_KEY") as caught:
        Settings.load({}, api_key=key)

    assert caught.value.field == "api_key"


@pytest.mark.parametrize("key", ["k-schlüssel", "k-one two", "k-one\ntwo", "k-\x00", "k-\u200b1", "k-“1”"])
def test_api_key_with_invalid_characters_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(InvalidRequestError, match="copy it again") as caught:
        Settings(api_key=key)

    assert key not in repr(caught.value)
    assert "k-" not in str(caught.value)
    assert caught.value.value is None


@pytest.mark.parametrize("key", [123, b"k-123", ["k-123"]])
def test_api_key_of_another_type_is_refused(key: object) -> None:
    with pytest.raises(InvalidRequestError, match="API key"):
        Settings.load({}, api_key=key)


def test_api_key_is_in_no_repr() -> None:
    client = MusicAPI("k-secret", base_url="http://localhost:1")

    shown = [repr(client), repr(client.settings), str(client.settings), repr(client.sonic), f"{client.account!r}"]

    assert not [text for text in shown if "k-secret" in text]
    assert "http://localhost:1" in shown[0]


@pytest.mark.parametrize(
    "url",
    [
        "api.musicapi.ai/api/v1",
        "localhost:8000",
        "ftp://api.musicapi.ai",
        "https://",
        "https:///api",
        "https://host/?a=1",
        "https://host/#part",
        "https://user@host/",
        "https://user:word@host/",
        "https://host:port/",
        "https://host:99999/",
        "https://[::1/",
        "https://api..musicapi.ai/",
        f"https://{64 * 'a'}.example/",
    ],
)
def test_base_url_that_is_invalid_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="base_url") as caught:
        Settings(api_key="k", base_url=url)

    assert caught.value.field == "base_url"


@pytest.mark.parametrize(
    "url",
    [
        "https://user:word-99@host/",
        "ftp://user:word-99@host/",
        "user:word-99@host",
        "https://user:word-99@host:port/",
        "https://user:a/b?word-99@host/",
        "https://host/?key=word-99",
        "https://host/#word-99",
    ],
)
def test_base_url_that_is_refused_shows_neither_login_nor_query(url: str) -> None:
    with pytest.raises(InvalidRequestError, match="host") as caught:
        Settings(api_key="k", base_url=url)

    assert "word-99" not in str(caught.value) + repr(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://localhost:8000/api/v1/", "http://localhost:8000/api/v1"),
        (" https://api.musicapi.ai/api/v1\n", "https://api.musicapi.ai/api/v1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_base_url_is_kept_without_its_last_slash(given: str, kept: str) -> None:
    assert Settings(api_key="k", base_url=given).base_url == kept


def test_settings_prefer_keyword_to_environment_to_default() -> None:
    environment = {
        "MUSICAPI_KEY": "from-env",
        "MUSICAPI_BASE_URL": "https://env.example",
        "MUSICAPI_POLL_INTERVAL": "3",
    }

    given = Settings.load(environment, api_key="given", base_url="https://given.example", poll_interval=2)
    found = Settings.load(environment)
    default = Settings.load({"MUSICAPI_KEY": "from-env", "MUSICAPI_BASE_URL": " ", "MUSICAPI_POLL_INTERVAL": ""})

    assert (given.api_key.reveal(), given.base_url, given.poll_interval) == ("given", "https://given.example", 2)
    assert (found.api_key.reveal(), found.base_url, found.poll_interval) == ("from-env", "https://env.example", 3)
    assert (default.base_url, default.poll_interval) == ("https://api.musicapi.ai/api/v1", None)


def test_settings_read_the_environment_when_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICAPI_KEY", "Bearer from-env")
    client = MusicAPI()
    monkeypatch.delenv("MUSICAPI_KEY")

    assert client.settings.api_key.reveal() == "from-env"
    with pytest.raises(InvalidRequestError, match="no API key"):
        MusicAPI()


def test_poll_interval_of_the_environment_that_is_invalid_names_the_variable() -> None:
    with pytest.raises(InvalidRequestError, match="MUSICAPI_POLL_INTERVAL is 'soon'"):
        Settings.load({"MUSICAPI_KEY": "k", "MUSICAPI_POLL_INTERVAL": "soon"})


@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "poll_interval"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "60"])
def test_time_setting_must_be_above_zero(name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=name) as caught:
        Settings.load({}, api_key="k", **{name: value})

    assert (caught.value.field, caught.value.limit) == (name, "> 0")


@pytest.mark.parametrize("name", ["max_requests", "max_attempts", "max_response_size"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True, "4"])
def test_count_setting_must_be_at_least_one(name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=name) as caught:
        Settings.load({}, api_key="k", **{name: value})

    assert (caught.value.field, caught.value.limit) == (name, ">= 1")


def test_settings_are_frozen() -> None:
    settings = Settings(api_key="k")

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.timeout = 1.0  # type: ignore[misc]  # that is the point


def test_view_settings_leave_those_of_the_client_unchanged() -> None:
    client = MusicAPI("k", timeout=60, max_attempts=4)

    view = client.with_options(timeout=5, api_key=" other ")

    assert (view.settings.timeout, view.settings.api_key.reveal(), view.settings.max_attempts) == (5, "other", 4)
    assert (client.settings.timeout, client.settings.api_key.reveal()) == (60, "k")
    with pytest.raises(InvalidRequestError, match="timeout"):
        client.with_options(timeout=0)


def test_setting_that_is_text_is_called_text() -> None:
    with pytest.raises(InvalidRequestError, match="timeout is the text '3'; it must be a number above 0"):
        MusicAPI("k", timeout="3")  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "meant"), [("key", "api_key"), ("apikey", "api_key"), ("timeouts", "timeout")])
def test_misspelt_setting_names_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=rf"unexpected keyword argument '{name}'; did you mean {meant}\?"):
        MusicAPI(**{name: "x"})  # type: ignore[arg-type]


def test_unknown_setting_that_is_close_to_none_has_no_hint() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'session'$"):
        MusicAPI("k", session=None)  # type: ignore[call-arg]


async def test_view_with_a_setting_that_views_share_says_where_to_give_it() -> None:
    async with MusicAPI("key") as client:
        with pytest.raises(TypeError, match="'proxy': all views of a client share it, so give it to a new client$"):
            client.with_options(proxy="http://127.0.0.1:9")  # type: ignore[call-arg]  # that is the point
