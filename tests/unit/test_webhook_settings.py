"""The webhook settings of a client, and the URL that each submission gets: the same for the inverse."""

import string
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

import musicapi_async
import musicapi_sync
from musicapi_async import Secret, Settings, errors, sonic
from musicapi_async._webhook_urls import MAX_OWN_URL, MAX_URL, attempt_url, new_reference, reference_of

URL: Final = "https://app.example/hooks/musicapi"
SECRET: Final = "hush-hush-" * 4


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_webhook_settings_are_taken_from_keywords(package: Any) -> None:
    client = package.MusicAPI("k", webhook_url=URL, webhook_secret=SECRET)

    assert (client.settings.webhook_url, client.settings.webhook_secret) == (URL, Secret(SECRET))


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_webhook_settings_are_taken_from_the_environment(package: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICAPI_WEBHOOK_URL", f" {URL}\n")
    monkeypatch.setenv("MUSICAPI_WEBHOOK_SECRET", SECRET)

    settings = package.MusicAPI("k").settings
    given = package.MusicAPI("k", webhook_url="https://other.example").settings

    assert (settings.webhook_url, settings.webhook_secret) == (URL, Secret(SECRET))
    assert (given.webhook_url, given.webhook_secret) == ("https://other.example", Secret(SECRET))


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_webhook_settings_of_a_view_differ_from_its_clients(package: Any) -> None:
    client = package.MusicAPI("k", webhook_url=URL, webhook_secret=SECRET)

    view = client.with_options(webhook_url="https://other.example", webhook_secret="other")
    same = client.with_options(timeout=5)

    assert (view.settings.webhook_url, view.settings.webhook_secret) == ("https://other.example", Secret("other"))
    assert (same.settings.webhook_url, same.settings.webhook_secret) == (URL, Secret(SECRET))
    assert client.settings.webhook_url == URL


def test_webhook_settings_are_none_by_default_and_a_secret_needs_no_url() -> None:
    settings = Settings.load({"MUSICAPI_KEY": "k"})

    assert (settings.webhook_url, settings.webhook_secret) == (None, None)
    assert Settings.load({}, api_key="k", webhook_secret=SECRET).webhook_secret == Secret(SECRET)


@pytest.mark.parametrize(
    "make",
    [
        lambda: musicapi_async.MusicAPI("k", webhook_url=URL),
        lambda: musicapi_sync.MusicAPI("k", webhook_url=URL),
        lambda: musicapi_async.MusicAPI("k").with_options(webhook_url=URL),
        lambda: Settings.load({"MUSICAPI_KEY": "k", "MUSICAPI_WEBHOOK_URL": URL, "MUSICAPI_WEBHOOK_SECRET": " "}),
    ],
)
def test_webhook_url_without_a_secret_is_refused_naming_the_secret(make: Callable[[], object]) -> None:
    with pytest.raises(errors.InvalidRequestError, match="MUSICAPI_WEBHOOK_SECRET") as caught:
        make()

    assert caught.value.field == "webhook_secret"


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/hook",
        "http://127.0.0.1.example/hook",
        "http://localhost.example/hook",
        "http://localhost@app.example/hook",
        "http://10.0.0.1/hook",
        "ftp://app.example/hook",
        "//app.example/hook",
        "app.example/hook",
        "https://",
        "https:///hook",
        "https://app.example:99999/",
        "https://app.example:port/",
        "https://[::1/",
        "https://app.example/a b",
        "https://app.example/\n",
        "https://app.example/\x00",
        "https://app.example/hook#part",
        "https://app.example/#",
        "https://bücher.example/",
        "https://app.example/ü",
        "",
        7,
        b"https://app.example/",
    ],
)
def test_webhook_url_that_is_invalid_is_refused(url: Any) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        Settings(api_key="k", webhook_url=url, webhook_secret=SECRET)

    assert caught.value.field == "webhook_url"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "HTTPS://app.example",
        "https://app.example/?a=%2F&b=%zz&&c",
        "https://user:word@app.example:8443/hook",
        "http://localhost:8788/",
        "http://127.0.0.1:8788",
        "http://127.9.9.9/",
        "http://[::1]:8788/",
        "http://app.localhost/",
    ],
)
def test_webhook_url_with_https_or_of_this_machine_is_taken_as_it_is(url: str) -> None:
    assert Settings(api_key="k", webhook_url=url, webhook_secret=SECRET).webhook_url == url


def test_webhook_url_is_limited_so_that_a_reference_can_be_appended() -> None:
    longest = f"{URL}?".ljust(MAX_OWN_URL, "a")

    assert Settings(api_key="k", webhook_url=longest, webhook_secret=SECRET).webhook_url == longest
    assert len(attempt_url(longest, new_reference())) == MAX_URL == 1024
    with pytest.raises(errors.InvalidRequestError, match=f"{MAX_OWN_URL + 1} characters; at most {MAX_OWN_URL}"):
        Settings(api_key="k", webhook_url=f"{longest}a", webhook_secret=SECRET)


def test_webhook_url_with_a_reference_in_it_is_refused() -> None:
    with pytest.raises(errors.InvalidRequestError, match="contains the reference") as caught:
        Settings(api_key="k", webhook_url=attempt_url(URL, new_reference()), webhook_secret=SECRET)

    assert caught.value.field == "webhook_url"


@pytest.mark.parametrize("url", ["https://me:word-99@app.example/?token=word-99", "http://me:word-99@app.example/"])
def test_webhook_url_shows_neither_login_nor_query(url: str) -> None:
    try:
        shown = repr(Settings(api_key="k", webhook_url=url, webhook_secret=SECRET))
    except errors.InvalidRequestError as error:
        shown = repr(error) + str(error) + repr(vars(error))

    assert "app.example" in shown
    assert "word-99" not in shown


@pytest.mark.parametrize("secret", ["", "  ", "hüsch", b"hush", 7, Secret("")])
def test_webhook_secret_that_is_unusable_is_refused_and_not_shown(secret: Any) -> None:
    with pytest.raises(errors.InvalidRequestError, match="webhook_secret") as caught:
        Settings(api_key="k", webhook_secret=secret)

    assert (caught.value.field, caught.value.value) == ("webhook_secret", None)
    assert "hush" not in repr(caught.value)


@pytest.mark.parametrize("package", [musicapi_async, musicapi_sync])
def test_webhook_secret_is_in_no_repr(package: Any) -> None:
    client = package.MusicAPI("k", webhook_url=URL, webhook_secret=SECRET)

    assert SECRET[:8] not in repr(client) + repr(client.settings) + repr(client.settings.webhook_secret)
    assert URL in repr(client)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/hook", "http://localhost/", "http://[::1]:1/", "https://a.example"]
)
def test_webhook_url_of_a_request_may_be_of_this_machine(url: str) -> None:
    assert sonic.Describe(description="rain", webhook_url=url).to_wire()["webhook_url"] == url


@pytest.mark.parametrize("url", ["http://app.example/", "http://localhost@app.example/", "http://127.0.0.1.example"])
def test_webhook_url_of_a_request_to_another_machine_needs_https(url: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match="must begin with https://"):
        sonic.Describe(description="rain", webhook_url=url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example", "https://a.example?{0}"),
        ("https://a.example/hook/", "https://a.example/hook/?{0}"),
        ("https://a.example/hook?", "https://a.example/hook?{0}"),
        ("https://a.example/hook?b=1", "https://a.example/hook?b=1&{0}"),
        ("https://a.example/hook?b=1&", "https://a.example/hook?b=1&{0}"),
        ("https://a.example/%7e?b=%2f+%20&b=?&c", "https://a.example/%7e?b=%2f+%20&b=?&c&{0}"),
        ("https://a.example/hook?b=1#part", "https://a.example/hook?b=1&{0}#part"),
    ],
)
def test_attempt_url_appends_the_reference_and_keeps_the_rest(url: str, expected: str) -> None:
    reference = new_reference()

    assert attempt_url(url, reference) == expected.format(f"musicapi_attempt={reference}")


def test_new_reference_differs_each_time_and_has_128_bits() -> None:
    references = {new_reference() for _ in range(1000)}

    assert len(references) == 1000
    assert {len(bytes.fromhex(reference)) for reference in references} == {16}


pieces = st.text(st.sampled_from(string.ascii_letters + string.digits + "-._~%/?&=+:@!$'()*,;"), max_size=40)
references = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(path=pieces, reference=references)
def test_reference_of_an_attempts_url_is_read_back(path: str, reference: str) -> None:
    url = f"https://a.example/{path}"
    found = attempt_url(url, reference)

    assert reference_of(found) == reference
    assert reference_of(found.removeprefix("https://a.example")) == reference
    assert found.startswith(url)
    before = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert parse_qsl(urlsplit(found).query, keep_blank_values=True)[: len(before)] == before


@given(url=st.text() | pieces.map(lambda path: f"https://a.example/{path}"))
def test_reference_of_any_other_url_is_none(url: str) -> None:
    assert reference_of(url) is None


@pytest.mark.parametrize(
    "query",
    [
        "musicapi_attempt=",
        "musicapi_attempt=" + "0" * 31,
        "musicapi_attempt=" + "0" * 33,
        "musicapi_attempt=" + "g" * 32,
        "other_musicapi_attempt=" + "0" * 32,
        "musicapi_attempt=" + "0" * 32 + "%",
        "a#musicapi_attempt=" + "0" * 32,
    ],
)
def test_reference_of_a_malformed_query_is_none(query: str) -> None:
    assert reference_of(f"/hook?{query}") is None
