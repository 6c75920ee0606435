"""Connections that are reused: data received before a request is written never becomes its response."""

import asyncio
import gzip
import json
import random
from contextlib import suppress
from pathlib import Path

import pytest
from scripted import Held, Step, raw, respond, scripted

from musicapi_async import MusicAPI, errors

RUNNING = {"data": [{"clip_id": "of another", "state": "running"}]}
GONE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


def clips(name: str) -> dict[str, object]:
    return {"data": [{"clip_id": name, "state": "succeeded", "audio_url": "https://files.example/c.mp3"}] * 2}


def wire(body: object) -> bytes:
    content = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content


def twice(body: object, late: bytes, released: asyncio.Event, sent: asyncio.Event) -> Step:
    """Answer, and send something more on the idle connection."""

    async def step(writer: asyncio.StreamWriter) -> bool:
        writer.write(wire(body))
        await released.wait()
        writer.write(late)
        await writer.drain()
        sent.set()
        return True

    return step


LATE = {
    "a second response": wire(clips("of t-1")),
    "its beginning": wire(clips("of t-1"))[:60],
    "a timeout": GONE,
    "no HTTP": b"\x00\x01\x02",
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
@pytest.mark.parametrize("is_read", [True, False], ids=["read", "not read yet"])
async def test_poll_after_a_late_response_on_an_idle_connection_gets_its_own(
    late: bytes,
    is_read: bool,  # noqa: FBT001
) -> None:
    released, sent = asyncio.Event(), asyncio.Event()
    steps = (twice(clips("of t-1"), late, released, sent), respond(200, clips("of t-2")))
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        await client.sonic.task("t-1").poll()
        released.set()
        await sent.wait()
        if is_read:
            for _ in range(20):
                await asyncio.sleep(0.001)
        state = await client.sonic.task("t-2").poll()

        assert [clip.clip_id for clip in state.clips] == ["of t-2"] * 2
        assert [request.connection for request in server.received] == [1, 2]


async def test_poll_after_a_response_in_one_piece_with_another_gets_its_own() -> None:
    both = wire(clips("of t-1")) + wire(clips("of t-1, again"))
    steps = (raw(both, close=False), respond(200, clips("of t-2")))
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        first = await client.sonic.task("t-1").poll()
        second = await client.sonic.task("t-2").poll()

    assert [state.clips[0].clip_id for state in (first, second)] == ["of t-1", "of t-2"]


async def test_poll_whose_predecessor_was_cancelled_gets_its_own() -> None:
    held = Held(respond(200, clips("of t-1")))
    async with (
        scripted(held, respond(200, clips("of t-2"))) as server,
        MusicAPI("k", base_url=server.base_url, max_attempts=1) as client,
    ):
        polling = asyncio.create_task(client.sonic.task("t-1").poll())
        await held.arrived.wait()
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)
        held.released.set()
        state = await client.sonic.task("t-2").poll()

    assert state.clips[0].clip_id == "of t-2"


async def test_idle_connection_without_input_is_used_again() -> None:
    async with scripted(respond(200, RUNNING)) as server, MusicAPI("k", base_url=server.base_url) as client:
        for number in range(5):
            await client.sonic.task(f"t-{number}").poll()

        assert {request.connection for request in server.received} == {1}


def in_chunks(content: bytes, head: bytes = b"") -> bytes:
    parts = [content[start : start + 20_000] for start in range(0, len(content), 20_000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n%b\r\n%b0\r\n\r\n" % (head, chunks)


async def test_one_connection_with_every_framing_in_turn_returns_each_whole_response() -> None:
    # A kept connection goes on with its parser, and reading stops and goes on where a body is large.
    long = random.Random(1).randbytes(300_000).hex()
    bodies = [json.dumps(clips(name) | {"filler": filler}).encode() for name, filler in (("short", ""), ("long", long))]
    framings = [
        framing
        for body in bodies
        for framing in (
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
            in_chunks(body),
            in_chunks(gzip.compress(body), b"Content-Encoding: gzip\r\n"),
            b"HTTP/1.1 102 Processing\r\n\r\n" + in_chunks(body),
        )
    ]
    random.Random(2).shuffle(framings)
    steps = [raw(framing, close=False) for framing in framings]
    async with scripted(*steps) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        states = [await client.sonic.task(f"t-{number}").poll() for number in range(len(framings))]

    names = [state.clips[0].clip_id for state in states]
    assert sorted(filter(None, names)) == ["long"] * 4 + ["short"] * 4
    assert all(
        state.raw["filler"] == (long if name == "long" else "") for state, name in zip(states, names, strict=True)
    )
    assert {request.connection for request in server.received} == {1}


async def test_download_after_a_late_response_on_an_idle_connection_gets_its_own(tmp_path: Path) -> None:
    released, sent = asyncio.Event(), asyncio.Event()

    async def first(writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nID3one")
        await released.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nID3old")
        await writer.drain()
        sent.set()
        return True

    async with scripted(first, respond(200, b"ID3two")) as server, MusicAPI("k", base_url=server.base_url) as client:
        await client.download(f"{server.origin}/one", tmp_path / "one.mp3")
        released.set()
        await sent.wait()
        await client.download(f"{server.origin}/two", tmp_path / "two.mp3")

    assert [(tmp_path / name).read_bytes() for name in ("one.mp3", "two.mp3")] == [b"ID3one", b"ID3two"]


@pytest.mark.parametrize("where", ["in one piece with a response", "while idle"])
@pytest.mark.parametrize("length", [1, 20, 40])
async def test_poll_after_a_part_of_a_late_head_does_not_take_the_late_response(where: str, length: int) -> None:
    late = wire(clips("of t-1, again"))
    released, sent = asyncio.Event(), asyncio.Event()

    async def first(writer: asyncio.StreamWriter) -> bool:
        if where == "while idle":
            writer.write(wire(clips("of t-1")))
            await released.wait()
            writer.write(late[:length])
        else:
            writer.write(wire(clips("of t-1")) + late[:length])
        await writer.drain()
        sent.set()
        return True

    async def second(writer: asyncio.StreamWriter) -> bool:
        # Over the same connection the rest of the late response comes before the right one.
        writer.write(late[length:] + wire(clips("of t-2")))
        await writer.drain()
        return True

    async def right(writer: asyncio.StreamWriter) -> bool:
        writer.write(wire(clips("of t-2")))
        return True

    async def step(writer: asyncio.StreamWriter) -> bool:
        return await (second if server.received[-1].connection == 1 else right)(writer)

    async with scripted(first, step) as server, MusicAPI("k", base_url=server.base_url, max_attempts=1) as client:
        await client.sonic.task("t-1").poll()
        released.set()
        await sent.wait()
        for _ in range(20):
            await asyncio.sleep(0.001)
        taken = []
        # An error is safe, and may be retried: another request's response is not.
        with suppress(errors.ConnectionFailedError):
            taken = [clip.clip_id for clip in (await client.sonic.task("t-2").poll()).clips]

    assert "of t-1, again" not in taken
