"""``musicapi credits``: the account's balance."""

from musicapi_async import MusicAPI
from musicapi_async.cli.ending import in_order
from musicapi_async.cli.screen import Screen

__all__ = ["show_credits"]


async def show_credits(screen: Screen) -> None:
    """Ask for the balance and show it."""
    async with in_order(MusicAPI()) as client:
        balance = await client.account.credits()
    screen.tell(balance.to_dict() | {"total": balance.total})
    screen.progress.stop()
    screen.say(f"{balance.total:g} credits ({balance.credits:g} of the subscription, {balance.extra_credits:g} extra)")
