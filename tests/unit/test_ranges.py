"""Range responses: one is used only if it certainly continues the received part of the file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicapi_async._transport.ranges import Part, RangeContent

TAG = '"v1"'
FIRST = {"Content-Length": "1000", "ETag": TAG, "Accept-Ranges": "bytes"}
REST = {"Content-Range": "bytes 400-999/1000", "Content-Length": "600", "ETag": TAG}
MODIFIED = {"Last-Modified": "Wed, 01 Jan 2025 10:00:00 GMT", "Date": "Wed, 01 Jan 2025 10:00:01 GMT"}


def cut_after(came: int, first: dict[str, str]) -> Part:
    part = Part()
    assert part.accept(200, first) is RangeContent.WHOLE
    part.received = came
    return part


def test_range_request_names_the_received_version() -> None:
    assert cut_after(400, FIRST).headers() == {"Range": "bytes=400-", "If-Range": TAG}


def test_range_request_without_received_bytes_is_empty() -> None:
    assert Part().headers() == {}
    assert cut_after(0, FIRST).headers() == {}


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"ETag": TAG}, TAG),
        ({"ETag": '""'}, '""'),
        ({"ETag": TAG, **MODIFIED}, TAG),
        ({"ETag": TAG, "Accept-Ranges": "foo"}, TAG),
        (MODIFIED, MODIFIED["Last-Modified"]),
        ({}, None),
        ({"ETag": TAG, "Accept-Ranges": "none"}, None),
        ({"ETag": TAG, "Accept-Ranges": "NONE"}, None),
        ({"ETag": TAG, "Content-Encoding": "gzip"}, None),
        ({"ETag": 'W/"v1"'}, None),
        ({"ETag": 'W/"v1"', **MODIFIED}, None),
        ({"ETag": "v1"}, None),
        ({"ETag": '"a"b"'}, None),
        ({"ETag": '"\udcff"'}, None),
        ({"Last-Modified": MODIFIED["Last-Modified"]}, None),
        ({**MODIFIED, "Date": MODIFIED["Last-Modified"]}, None),
        ({**MODIFIED, "Date": "Wed, 01 Jan 2025 10:00:01"}, None),
        ({**MODIFIED, "Date": "soon"}, None),
    ],
)
def test_validator_is_only_a_strong_one(headers: dict[str, str], validator: str | None) -> None:
    part = cut_after(5, headers)

    assert part.validator == validator
    assert part.resumes_at == (5 if validator else 0)


def test_range_response_that_matches_is_accepted() -> None:
    part = cut_after(400, FIRST)

    assert part.accept(206, REST) is RangeContent.REST
    assert (part.received, part.size, part.validator) == (400, 1000, TAG)


@pytest.mark.parametrize(
    "changed",
    [
        {"Content-Range": ""},
        {"Content-Range": "bytes 401-999/1000"},
        {"Content-Range": "bytes 0-999/1000"},
        {"Content-Range": "bytes 400-999/1001"},
        {"Content-Range": "bytes 400-1000/1000"},
        {"Content-Range": "bytes 400-399/1000"},
        {"Content-Range": "bytes 400-999/*"},
        {"Content-Range": "bytes */1000"},
        {"Content-Range": "items 400-999/1000"},
        {"Content-Range": "bytes 400-999/1000, bytes 0-1/1000"},
        {"Content-Range": "bytes 400-999/" + "9" * 5000},
        {"Content-Length": "599"},
        {"ETag": '"v2"'},
        {"ETag": 'W/"v1"'},
        {"Content-Encoding": "gzip"},
        {"Content-Type": "Multipart/byteranges; boundary=x"},
    ],
)
def test_range_response_that_does_not_match_is_useless(changed: dict[str, str]) -> None:
    part = cut_after(400, FIRST)

    assert part.accept(206, REST | changed) is RangeContent.UNUSABLE
    assert part == Part()


def test_range_response_of_another_date_is_useless() -> None:
    rest = {"Content-Range": "bytes 400-999/1000"}
    part = cut_after(400, MODIFIED)

    assert part.accept(206, rest | {"Last-Modified": "Wed, 01 Jan 2025 10:00:05 GMT"}) is RangeContent.UNUSABLE
    assert (
        cut_after(400, MODIFIED).accept(206, rest | {"Last-Modified": MODIFIED["Last-Modified"]}) is RangeContent.REST
    )


def test_range_response_gives_a_missing_size() -> None:
    part = cut_after(400, {"ETag": TAG})

    assert not part.is_whole
    assert part.accept(206, REST) is RangeContent.REST
    assert part.size == 1000


def test_range_response_refused_keeps_the_received_part() -> None:
    part = cut_after(400, FIRST)

    assert part.accept(503, {}) is RangeContent.REFUSAL
    assert part == cut_after(400, FIRST)


@pytest.mark.parametrize("status", [206, 416])
def test_range_response_not_requested_is_a_refusal(status: int) -> None:
    assert Part().accept(status, REST) is RangeContent.REFUSAL
    assert cut_after(400, {"Content-Length": "1000"}).accept(status, REST) is RangeContent.REFUSAL


headers = st.fixed_dictionaries(
    {},
    optional={
        "Content-Length": st.sampled_from(["0", "4", "6", "10", "11", "-1", "x"]),
        "Content-Range": st.builds(
            "bytes {}-{}/{}".format, *[st.integers(0, 11)] * 2, st.one_of(st.integers(0, 11), st.just("*"))
        ),
        "ETag": st.sampled_from(['"a"', '"b"', 'W/"a"', "a", ""]),
        "Accept-Ranges": st.sampled_from(["bytes", "none", ""]),
        "Content-Encoding": st.sampled_from(["gzip", ""]),
        "Content-Type": st.sampled_from(["audio/mpeg", "multipart/byteranges"]),
        "Last-Modified": st.sampled_from([*MODIFIED.values(), "x"]),
        "Date": st.sampled_from([*MODIFIED.values(), "x"]),
    },
)


@given(first=headers, came=st.integers(0, 11), status=st.sampled_from([200, 206, 304, 404, 416, 500]), then=headers)
def test_range_response_of_any_headers_is_accepted_only_if_it_matches(
    first: dict[str, str], came: int, status: int, then: dict[str, str]
) -> None:
    part = cut_after(came, first)
    announced, asked = part.size, part.headers()
    answer = part.accept(status, then)

    if answer is RangeContent.REST:
        assert status == 206
        assert asked["If-Range"] in {first.get("ETag"), first.get("Last-Modified")}
        assert then["Content-Range"].startswith(f"bytes {came}-")
        assert then["Content-Range"].endswith(f"/{part.size}")
        assert announced in {None, part.size}
        assert part.received == came
        assert part.size is not None
        assert came < part.size
        assert not {"Content-Encoding"} & (set(first) | set(then))
    elif answer is RangeContent.REFUSAL:
        assert status != 200
        assert (part.received, part.size) == (came, announced)
    else:
        assert part.received == 0
