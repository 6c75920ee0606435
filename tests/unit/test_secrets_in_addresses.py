"""Addresses as they are printed: a password in one is in no text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._arguments import is_address
from musicapi_async._secrets import without_password

WITHOUT_BLANKS = "".join(sorted(set(string.printable) - set(string.whitespace) - {'"'})) + "éß漢"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://songs:pass@db/songs", "postgresql://songs@db/songs"),
        ("postgres://songs:pass@db:5432/songs?sslmode=require", "postgres://songs@db:5432/songs?sslmode=require"),
        ("postgresql+asyncpg://songs:pass@db/songs", "postgresql+asyncpg://songs@db/songs"),
        ("postgresql://songs@db/songs?password=pass", "postgresql://songs@db/songs"),
        ("postgresql://db/songs?password=pass&user=songs", "postgresql://db/songs?user=songs"),
        ("postgresql://db/songs?user=songs&password=pass&a=b", "postgresql://db/songs?user=songs&a=b"),
        ("postgresql://db/songs?sslpassword=pass#x", "postgresql://db/songs#x"),
        ("http://user:pass@proxy:3128", "http://user@proxy:3128"),
        ('{"a":"postgresql://u:pass@db/songs","b":"c@d"}', '{"a":"postgresql://u@db/songs","b":"c@d"}'),
        ("the journal postgresql://u:pass@db/s: write to a@b", "the journal postgresql://u@db/s: write to a@b"),
    ],
)
def test_address_with_a_password_is_shown_without_it(text: str, expected: str) -> None:
    assert without_password(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://songs@db:5432/songs",
        "https://cdn.example.com:8443/@artist/song.mp3?a=b",
        "s3://bucket/songs",
        "songs/journal.db",
        "12:30, mail a@b",
    ],
)
def test_text_without_a_password_stays_as_it_is(text: str) -> None:
    assert without_password(text) == text


@given(password=st.text(WITHOUT_BLANKS), scheme=st.sampled_from(["postgresql", "postgres", "PostgreSQL"]))
def test_address_with_any_password_is_shown_without_it(password: str, scheme: str) -> None:
    shown = without_password(f"journal {scheme}://songs:{password}@db:5432/songs is away")

    assert shown == f"journal {scheme}://songs@db:5432/songs is away"


@pytest.mark.parametrize(("value", "expected"), [("postgresql://db", True), ("s3://b/x", True), ("c://x", False)])
def test_is_address_tells_addresses_from_paths(value: str, *, expected: bool) -> None:
    assert is_address(value) is expected
    assert not is_address("songs/journal.db")
    assert not is_address("songs:/journal.db")
