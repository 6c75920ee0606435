"""``musicapi sandbox``: the fake server in a terminal, with faults on request."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from musicapi_async.cli.arguments import DEFAULT_HOST, Host
from musicapi_async.cli.exit_codes import UsageError

if TYPE_CHECKING:
    from musicapi_async.cli.screen import Screen
    from musicapi_async.sandbox import Delivery, Sandbox

__all__ = ["sandbox_command", "sandbox_help"]

ENDINGS: Final = ("failed", "timeout", "forbidden", "api-error", "partial", "all-failed", "one-clip")
RESPONSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "rate-limited": {"status": 429, "body": {"error": "Too many requests."}, "headers": {"Retry-After": "1"}},
    "error": {"status": 500, "body": {"error": "Internal server error."}},
    "unavailable": {"status": 503, "body": {"error": "The service is busy."}},
    "dropped": {"drop": True},
    "lost-response": {"drop": True, "accepted": True},
    "slow": {"delay": 2.0},
}
EVENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "event-lost": {"lost": True},
    "event-doubled": {"doubled": True},
    "event-late": {"delay": 5.0},
    "event-reordered": {"reordered": True},
    "event-forged": {"forged": True},
    "event-early": {"before_response": True},
}
NOTES: Final = {
    "partial": "one clip of two fails",
    "one-clip": "one clip of two is missing",
    "rate-limited": "429",
    "error": "500",
    "unavailable": "503",
    "dropped": "no response",
    "lost-response": "charged, but no response",
    "slow": "2 s late",
    "event-late": "by 5 s",
    "event-early": "before the response to the submission",
}
DELIVERY_INTERVAL: Final = 0.1
"""Seconds after which an event that was sent is shown at the latest."""


def sandbox_command(
    *,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8787,
    host: Host = DEFAULT_HOST,
    keys: Annotated[
        str | None, typer.Option(metavar="K1,K2", help="The only valid keys, comma-separated; by default any key is.")
    ] = None,
    balance: Annotated[float, typer.Option("--credits", metavar="N", min=0, help="Starting balance of each key.")] = (
        1000.0
    ),
    seconds: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="About how long a song takes; 0 for no time at all.")
    ] = 3.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=RATE]", help="A fault from the list above, and its share from 0 to 1; may be given again."
        ),
    ] = None,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Show each event that is sent, and the response to it.")
    ] = False,
) -> int:
    """Run a fake server on this machine until Ctrl-C; ``sandbox_help()`` is its help."""
    from musicapi_async.cli.running import run_command
    from musicapi_async.sandbox import Sandbox

    valid = None if keys is None else [key.strip() for key in keys.split(",") if key.strip()]
    if valid == []:
        raise UsageError("--keys names no key; give them as --keys key-1,key-2")
    sandbox = Sandbox(port=port, host=host, seconds=seconds, credits=balance, keys=valid, **_faults(fault or ()))
    return run_command(lambda screen: _serve(sandbox, screen, with_events=webhooks))


def sandbox_help() -> str:
    """Return the help of the command."""
    paragraphs = (
        "Run a fake server on this machine until Ctrl-C, for testing: nothing is charged.",
        "It accepts what the service accepts, refuses what it refuses, and makes short songs of its own.",
        "It sends signed events to the webhook_url of a request if that leads to this machine.",
        "A --fault happens every time or, with a rate, at random: --fault failed=0.1 lets a tenth of the tasks fail.",
        f"Faults of tasks: {_listed(ENDINGS)}.",
        f"Faults of requests: {_listed(RESPONSES)}.",
        f"Faults of events: {_listed(EVENTS)}.",
    )
    return "\n\n".join(paragraphs)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"{name} ({NOTES[name]})" if name in NOTES else name for name in names)


def _faults(given: Sequence[str]) -> dict[str, Any]:
    """Return the sandbox's arguments for the faults of the command line."""
    from musicapi_async.sandbox import EventFault, Fault

    arguments: dict[str, dict[object, float]] = {"endings": {}, "faults": {}, "event_faults": {}}
    for text in given:
        name, _, rate = text.partition("=")
        share = _share(text, rate)
        if name in ENDINGS:
            arguments["endings"][name.replace("-", "_")] = share
        elif name in RESPONSES:
            arguments["faults"][Fault(**RESPONSES[name])] = share
        elif name in EVENTS:
            arguments["event_faults"][EventFault(**EVENTS[name])] = share
        else:
            close = difflib.get_close_matches(name, [*ENDINGS, *RESPONSES, *EVENTS], 1)
            advice = f"did you mean {close[0]}?" if close else "'musicapi sandbox --help' lists the faults"
            raise UsageError(f"--fault is {text!r}; there is no fault {name!r}: {advice}")
    for shares in arguments.values():
        if sum(shares.values()) > 1:
            raise UsageError("the rates of --fault are more than 1 together; each list of faults has its own sum")
    return arguments


def _share(text: str, rate: str) -> float:
    try:
        share = float(rate) if "=" in text else 1.0
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"--fault is {text!r}; its rate must be a share from 0 to 1, such as 0.1")
    return share


async def _serve(sandbox: "Sandbox", screen: "Screen", *, with_events: bool) -> None:
    """Serve the sandbox until the command is stopped, which is its normal end."""
    import asyncio

    from musicapi_async.cli.exits import cannot_listen

    try:
        await sandbox.start()
    except OSError as error:
        raise cannot_listen("the sandbox", error) from error
    try:
        screen.emit({"base_url": sandbox.base_url})
        screen.progress.stop()
        screen.print(f"the sandbox is running at {sandbox.base_url}; stop it with Ctrl-C")
        screen.print("to use it, run in another terminal:")
        for name, value in sandbox.environment.items():
            screen.print(f"  export {name}={value}")
        screen.print("  musicapi generate 'a calm sea shanty'")
        shown = 0
        while True:
            for delivery in sandbox.deliveries[shown:] if with_events else ():
                shown += 1
                screen.print(_delivered(delivery))
            await asyncio.sleep(DELIVERY_INTERVAL)
    except asyncio.CancelledError:
        screen.print("the sandbox has stopped")
    finally:
        await sandbox.aclose()


def _delivered(delivery: "Delivery") -> str:
    """Return the line for an event that was sent."""
    response = "no response" if delivery.status is None else f"response {delivery.status}"
    attempt = f", attempt {delivery.attempt}" if delivery.attempt > 1 else ""
    forged = ", forged" if delivery.forged else ""
    return f"event {delivery.type} of task {delivery.task_id}: {response}{attempt}{forged}"
