"""Mistakes the type checkers must refuse: an ignore that is not needed is itself an error. Read by them, never run."""
# pyright: reportUnnecessaryTypeIgnoreComment=true

import musicapi_async
import musicapi_sync
from musicapi_async import Clip, account, sonic
from musicapi_async.sandbox import Sandbox


async def asynchronous(client: musicapi_async.MusicAPI) -> None:
    await client.sonic.create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.sonic.create(lyric="...")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.sonic.create(lyrics=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.sonic.create("...")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.sonic.extend(clip=5, at=60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.sonic.describe(mv="sonic-v6")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.sonic.stems(task="t-1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.sonic.replace_section(clip="c", start="1", end=2)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.nuro.instrumental_v2(description="x", segments=["intro"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await client.sonic.batch(items=[account.GetCredits()])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    await client.save("c-1", "songs/")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.save(Clip(), "songs/", lyrics=("txt",))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.resume(sonic.GetBpm, "t-1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.sonic.task("t-1").wait(until="end")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.submit(account.GetCredits())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.run([account.GetCredits()])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.sonic.create = client.sonic.describe  # type: ignore[misc, assignment]  # pyright: ignore[reportAttributeAccessIssue]
    sonic.Create(lyrics="...").lyrics = "other"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def blocking(client: musicapi_sync.MusicAPI) -> None:
    client.sonic.create()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.sonic.create(lyric="...")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.sonic.create(lyrics=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.producer.cover(clip="c")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.submit(account.GetCredits())  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.account.credits().credits = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def sandboxed() -> None:
    Sandbox(endings={"fail": 0.1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    Sandbox().client(timeouts=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Sandbox().requests(Clip)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue]
    Sandbox().end_next("fail")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
