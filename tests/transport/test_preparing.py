"""A file that takes a while: asked for again until it is there, paid for once, within a time limit."""

import asyncio

import pytest
from clock import Clock
from scripted import Scripted, Step, cut, reply, scripted

from musicapi_async import DownloadFile, MusicAPI, errors
from musicapi_async.sandbox import Fault, Sandbox

PREPARING = reply(202, {"type": "not_ready", "error": "still preparing"})
MIDI = {"data": {"midi_url": "https://files.example/1.mid", "instruments": []}}


def client_of(server: Scripted) -> MusicAPI:
    return MusicAPI("k", base_url=server.base_url, timeout=3600)


async def test_what_is_being_prepared_is_asked_for_again(clock: Clock) -> None:
    async with scripted(PREPARING, PREPARING, reply(200, MIDI)) as server, client_of(server) as client:
        began = asyncio.get_running_loop().time()
        asking = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(0.5, asking)

        assert asyncio.get_running_loop().time() - began >= 6
        midi = asking.result()
    assert midi.url == "https://files.example/1.mid"
    assert [(one.method, one.path, one.body) for one in server.received] == [
        ("POST", "/api/v1/sonic/midi", b'{"clip_id":"c-1"}')
    ] * 3


async def test_not_ready_is_told_by_the_body_of_a_200_too(clock: Clock) -> None:
    again = reply(200, {"type": "not_ready", "error": "still preparing"})
    async with scripted(again, reply(200, MIDI)) as server, client_of(server) as client:
        asking = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, asking)

    assert len(server.received) == 2


async def test_it_is_not_asked_for_ever(clock: Clock) -> None:
    async with scripted(PREPARING) as server, client_of(server) as client:
        asking = asyncio.create_task(client.sonic.download(clip="c-1"))
        await clock.run(1, asking)

        with pytest.raises(errors.NotReadyError, match="still being prepared after 1[78].* s; try again later"):
            await asking
    assert 2 <= len(server.received) <= 61


@pytest.mark.parametrize("hiccup", [cut(), reply(502, b"<html>")])
async def test_a_hiccup_on_the_way_is_no_end(clock: Clock, hiccup: Step) -> None:
    """What was accepted once is free to ask for again."""
    async with scripted(PREPARING, hiccup, reply(200, MIDI)) as server, client_of(server) as client:
        asking = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, asking)

        assert asking.result().url
    assert len(server.received) == 3


async def test_a_service_that_goes_away_meanwhile_has_taken_nothing_back(clock: Clock) -> None:
    async with scripted(reply(202, b""), cut()) as server, client_of(server) as client:
        asking = asyncio.create_task(client.sonic.midi(clip="c-1"))
        await clock.run(1, asking)

        with pytest.raises(errors.NotReadyError):
            await asking
    assert len(server.received) == 5


async def test_closing_the_client_ends_the_asking(clock: Clock) -> None:
    async with scripted(PREPARING) as server, client_of(server) as client:
        asking = asyncio.create_task(client.sonic.midi(clip="c-1"))
        while not server.received:
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(client.aclose())
        await clock.run(1, asking)
        await closing

        with pytest.raises(errors.ClientClosedError):
            await asking
    assert len(server.received) == 1


async def test_the_sandbox_takes_its_time_and_charges_once(client: MusicAPI, sandbox: Sandbox, clock: Clock) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    before = (await client.account.credits()).total
    asking = asyncio.create_task(client.sonic.download(clip=uploaded, formats=["wav"]))
    while not sandbox.requests["POST /sonic/download"]:
        await asyncio.sleep(0.001)
    sandbox.advance(5000)
    await clock.run(1, asking)

    assert [file.format for file in asking.result()] == ["wav"]
    assert sandbox.requests["POST /sonic/download"] >= 2
    assert before - (await client.account.credits()).total == 2


async def test_an_upload_may_take_longer_than_other_requests(client: MusicAPI, sandbox: Sandbox, clock: Clock) -> None:
    """Its time limit is two minutes at least (decision 13)."""
    for route in ("POST /sonic/upload", "POST /sonic/wav"):
        sandbox.add_fault(route, Fault(delay=90))
    short = client.with_options(timeout=30)

    uploading = asyncio.create_task(short.sonic.upload(url="https://example.org/a.mp3"))
    await clock.run(5, uploading)
    assert uploading.result().clip_id
    making = asyncio.create_task(short.sonic.wav(clip=uploading.result()))
    await clock.run(5, making)
    with pytest.raises(errors.UncertainSubmissionError, match="no response in time"):
        await making


async def test_a_prepared_file_is_an_address(client: MusicAPI) -> None:
    uploaded = await client.sonic.upload(url="https://example.org/a.mp3")
    wav = await client.sonic.wav(clip=uploaded)

    assert wav == DownloadFile(wav.url, "wav")
    assert wav.url.endswith(f"{uploaded.clip_id}.wav")


async def test_what_is_not_prepared_is_not_asked_for_again(clock: Clock) -> None:
    """Nobody documents that asking again would be free here: it could be paid for twice."""
    async with scripted(PREPARING) as server, client_of(server) as client:
        making = asyncio.create_task(client.lyrics.make(description="rain"))
        await clock.run(1, making)

        with pytest.raises(errors.UncertainSubmissionError):
            await making
    assert len(server.received) == 1
