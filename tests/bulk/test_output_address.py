"""Addresses of outputs: which are accepted, what is shown of them, and what is refused before anything is sent."""

import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from bulk.runs import client_of, described
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async import bulk, errors
from musicapi_async.bulk.output import address_of
from musicapi_async.sandbox import Sandbox


@pytest.mark.parametrize("out", ["songs", "./a:b/c", "C://songs", Path("songs"), "s3", "://x"])
def test_path_is_no_address(out: str | Path) -> None:
    assert address_of(out) is None


@given(st.text(min_size=1), st.text(min_size=8).filter(lambda text: text not in "s3://bucket/songs/2026"))
def test_credentials_of_an_address_are_read_and_not_shown(key: str, secret: str) -> None:
    out = f"s3://{quote(key, safe='')}:{quote(secret, safe='')}@bucket/songs/2026/"
    found = address_of(out)

    assert found is not None
    assert {name: one.reveal() for name, one in found.credentials.items()} == {"key": key, "secret": secret}
    assert found.shown == found.url.reveal() == "s3://bucket/songs/2026"
    assert secret not in repr(found)
    assert secret not in found.redact(f"cannot connect to {out} with {secret!s}")


@pytest.mark.parametrize(
    ("out", "problem"),
    [
        ("file:///srv/songs", "pass its path"),
        ("simplecache::s3://bucket/songs", "::"),
        ("s3://bucket/songs?versionId=1", "contains one of"),
        ("s3:///songs", "has no bucket"),
        ("s3://key:sec/ret@bucket/songs", "written as %2F"),
        ("s3://key@bucket/songs", "must have both"),
        (Path("s3://bucket/songs"), "pass it as text"),
    ],
)
def test_address_that_cannot_be_used_is_refused_without_its_text(out: str | Path, problem: str) -> None:
    with pytest.raises(errors.InvalidRequestError, match=problem) as caught:
        address_of(out)

    assert caught.value.field == "out"
    assert str(out) not in str(caught.value)


@pytest.mark.parametrize("package", ["fsspec", "s3fs"])
async def test_address_without_the_extra_is_refused_before_anything_is_sent(
    package: str, quick: Sandbox, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        with pytest.raises(errors.MissingExtraError, match=r"musicapi-async\[storage\]"):
            bulk.run(client, journal, described("rain"), out="s3://bucket/songs")

    assert not quick.requests()


async def test_address_that_no_package_reaches_is_refused_before_anything_is_sent(quick: Sandbox, path: Path) -> None:
    async with client_of(quick.base_url) as client, bulk.open(path) as journal:
        with pytest.raises(errors.InvalidRequestError, match="out is nowhere://bucket/songs: Protocol not known"):
            await anext(bulk.run(client, journal, described("rain"), out="nowhere://user:hush@bucket/songs"))

    assert not quick.requests()
