"""URLs are sent as they were given: hosts check the text of signed ones."""

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import Scripted, respond, scripted

from musicapi_async import Clip, MusicAPI, errors
from musicapi_async._transport.addresses import joined, url_of

MP3: Final = b"ID3\x04\x00" + bytes(500)
WHOLE: Final = respond(200, MP3)

AS_THEY_CAME: Final = [
    "/%7Es/a%2fb.mp3?acl=%2f*&Signature=ab%2Fc%3D",
    "/~s/a%2Fb.mp3?acl=%2F%2a&Signature=ab/c=",
    "/songs/%28final%29%2C%20take%3A2%40home.mp3",
    "/songs/(final),take:2@home;v=1!$'*.mp3?x=(1),2:3@4;5!$'*",
    "/a+b%20c.mp3?q=a+b%2Bc&r=a%20b&s=%2b",
    "/song?",
    "/song?a=1?b=2/../c",
    "/song?&&a=&=b&",
    "/a//b/./c/../d.mp3",
    "/100%.mp3?p=%zz%",
    "/%e2%98%83.mp3?t=%E2%98%83",
    "/a[1]{2}|3^4`5.mp3?x=[1]{2}|3^4`5\\6",
    "/%2e%2e/%2E/song",
    "?token=%2F",
    "/?",
]


def client_of(server: Scripted, **settings: Any) -> MusicAPI:
    return MusicAPI("secret-key", base_url=server.base_url, trust_env=False, max_attempts=1, **settings)


def line_of(target: str) -> str:
    return target if target.startswith("/") else f"/{target}"


@pytest.mark.parametrize("target", AS_THEY_CAME)
async def test_download_of_a_signed_address_asks_for_its_very_text(target: str, tmp_path: Path) -> None:
    async with scripted(WHOLE) as server, client_of(server) as client:
        clip = Clip(clip_id="c-1", state="succeeded", audio_url=f"{server.origin}{target}#part")
        await client.download(clip, tmp_path / "song")

        assert [request.path for request in server.received] == [line_of(target)]


@pytest.mark.parametrize("target", AS_THEY_CAME)
@pytest.mark.parametrize("is_whole", [True, False])
async def test_download_after_a_redirect_asks_for_the_text_of_the_location(
    target: str, *, is_whole: bool, tmp_path: Path
) -> None:
    async with scripted() as server, client_of(server) as client:
        location = f"{server.origin}{target}" if is_whole else target
        server.steps += [respond(302, b"", {"Location": f"{location}#part"}), WHOLE]
        await client.download(f"{server.origin}/%7E?old=%2f", tmp_path / "song")

        expected = f"/%7E{target}" if target.startswith("?") and not is_whole else line_of(target)
        assert [request.path for request in server.received] == ["/%7E?old=%2f", expected]


@pytest.mark.parametrize("target", AS_THEY_CAME)
async def test_download_through_a_proxy_asks_for_the_very_text(target: str, tmp_path: Path) -> None:
    async with scripted() as proxy:
        async with MusicAPI("k", base_url="http://api.example/v1", proxy=proxy.origin, max_attempts=1) as client:
            proxy.steps += [respond(307, b"", {"Location": f"http://two.example{target}"}), WHOLE]
            await client.download(f"http://one.example{target}", tmp_path / "song")

        hosts = ("http://one.example", "http://two.example")
        assert [request.path for request in proxy.received] == [f"{host}{line_of(target)}" for host in hosts]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("b%2fc?x=%3A", "/p%2Fq/b%2fc?x=%3A"),
        ("../b%2c", "/b%2c"),
        ("./b/../c%7E", "/p%2Fq/c%7E"),
        ("..", "/"),
        ("?only=%2F", "/p%2Fq/r?only=%2F"),
        ("#only", "/p%2Fq/r?s=%28"),
        ("../../../x", "/x"),
        ("b;v=1;", "/p%2Fq/b;v=1;"),
        ("b?", "/p%2Fq/b?"),
    ],
)
async def test_redirect_to_a_relative_location_is_joined_without_recoding(
    location: str, expected: str, tmp_path: Path
) -> None:
    async with scripted(respond(301, b"", {"Location": location}), WHOLE) as server, client_of(server) as client:
        await client.download(f"{server.origin}/p%2Fq/r?s=%28", tmp_path / "song")

        assert server.received[1].path == expected


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("/caf\u00e9/%C3%A9.mp3?t=\u96e8", "/caf%C3%A9/%C3%A9.mp3?t=%E9%9B%A8"),
        ("/my song.mp3?a b", "/my%20song.mp3?a%20b"),
        ("/a\r\nX-Evil: 1\t\x00\x7f", "/a%0D%0AX-Evil:%201%09%00%7F"),
    ],
)
async def test_download_of_an_address_with_other_characters_encodes_those_once(
    written: str, sent: str, tmp_path: Path
) -> None:
    async with scripted(WHOLE) as server, client_of(server) as client:
        await client.download(f"{server.origin}{written}", tmp_path / "song")

        assert [request.path for request in server.received] == [sent]
        assert "x-evil" not in server.received[0].headers


async def test_redirect_with_bytes_that_are_no_utf8_keeps_those_bytes(tmp_path: Path) -> None:
    async with scripted() as server, client_of(server) as client:

        async def latin(writer: Any) -> bool:
            writer.write(b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: /caf\xe9%2f\r\n\r\n")
            return True

        server.steps += [latin, WHOLE]
        await client.download(f"{server.origin}/song", tmp_path / "song")

        assert server.received[1].path == "/caf%E9%2f"


async def test_download_that_fails_names_the_address_as_it_was_given(tmp_path: Path) -> None:
    async with scripted(respond(410, b"")) as server, client_of(server) as client:
        url = f"{server.origin}/%7Es?acl=%2f"
        with pytest.raises(errors.DownloadError) as caught:
            await client.download(url, tmp_path / "song")

    assert caught.value.source == url
    assert url in str(caught.value)


async def test_scheme_in_capitals_is_fetched_like_any_other(tmp_path: Path) -> None:
    async with scripted(WHOLE) as server, client_of(server) as client:
        saved = await client.download(f"HTTP://{server.host}:{server.port}/Song", tmp_path / "song")

        assert server.received[0].path == "/Song"
    assert saved.size == len(MP3)


@pytest.mark.parametrize("path", ["/new/a%2Fb,(c):d@e?x=1,2&y=%2c+%7E", "/a%20b?", "/a/../b"])
async def test_request_to_an_unknown_endpoint_sends_its_path_as_given(path: str) -> None:
    async with scripted(respond(200, {"ok": 1})) as server, client_of(server) as client:
        await client.request("GET", path)
        await client.request("POST", path, json={})

        assert [request.path for request in server.received] == [f"/api/v1{path}"] * 2


async def test_request_path_with_other_characters_encodes_those_once() -> None:
    async with scripted(respond(200, {})) as server, client_of(server) as client:
        await client.request("GET", "/a b/\u00e9#c%2F")

        assert server.received[0].path == "/api/v1/a%20b/%C3%A9%23c%2F"


@pytest.mark.parametrize(
    ("base", "sent"),
    [("/api%2Fv1/%7Ekey", "/api%2Fv1/%7Ekey"), ("/my api", "/my%20api"), ("/\u00e9", "/%C3%A9"), ("", "")],
)
async def test_base_url_with_escapes_is_sent_as_given(base: str, sent: str) -> None:
    async with scripted(respond(200, {"credits": 5})) as server:
        async with MusicAPI("k", base_url=f"{server.origin}{base}") as client:
            await client.account.credits()

        assert [request.path for request in server.received] == [f"{sent}/get-credits"]


TARGET: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"))


@given(target=TARGET)
def test_any_printable_ascii_target_is_kept_to_the_letter(target: str) -> None:
    assert url_of(f"https://h.example/{target}").raw_path_qs == f"/{target}"
    assert str(url_of(f"https://h.example/{target}#x")) == f"https://h.example/{target}"
    assert joined(url_of("https://h.example/a?b"), f"https://h.example/{target}").raw_path_qs == f"/{target}"


@given(target=st.text(st.characters(exclude_characters="#", exclude_categories=["Cs"])))
def test_any_target_is_sent_as_printable_ascii(target: str) -> None:
    sent = url_of(f"https://h.example/{target}").raw_path_qs

    assert all("!" <= letter <= "~" for letter in sent)
    assert url_of(f"https://h.example{sent}").raw_path_qs == sent


SLIPS: Final = [
    "http://files.example@{host}/%2F",
    "http://files.example%40@{host}/song",
    "http://files.example%2f@{host}?x",
    "http://a:b@{host}#@files.example/",
    "HTTP://{host}\\@files.example/",
    "http://{host}?@files.example/",
    "http://{host}/@files.example/%2e%2e/",
    "http:///{host}/song",
    "http://%31%32%37.0.0.1:{port}/song",
    "http://\uff11\uff12\uff17.0.0.1:{port}/%2F",
    "http://localhost\t:{port}/",
]


@pytest.mark.parametrize("slip", SLIPS)
async def test_address_with_escapes_does_not_lead_past_the_guard(slip: str, tmp_path: Path) -> None:
    async with scripted(WHOLE) as inner:
        async with MusicAPI("k", base_url="http://api.example/v1", trust_env=False, max_attempts=1) as client:
            url = slip.format(host=f"127.0.0.1:{inner.port}", port=inner.port)
            with pytest.raises(errors.DownloadError):
                await client.download(url, tmp_path / "song")

        assert inner.connections == 0


@pytest.mark.parametrize(
    "location", ["//169.254.169.254/a%2Fb", "///169.254.169.254/x", "http:/a%2Fb", "\\\\10.0.0.1\\x"]
)
async def test_redirect_with_an_odd_location_stays_on_its_host_or_is_refused(location: str, tmp_path: Path) -> None:
    async with (
        scripted(respond(302, b"", {"Location": location}), respond(410, b"")) as server,
        client_of(server) as client,
    ):
        with pytest.raises(errors.DownloadError, match="not a public address|responded with status 410|can be fetched"):
            await client.download(f"{server.origin}/song", tmp_path / "song")
