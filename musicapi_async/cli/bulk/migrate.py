"""``musicapi bulk migrate --journal ...``: make the tables of a journal in a database, or bring them up to date."""

from musicapi_async import bulk
from musicapi_async.cli.bulk.journals import JournalChoice
from musicapi_async.cli.screen import Screen

__all__ = ["migrate"]


async def migrate(choice: JournalChoice, screen: Screen) -> None:
    """Bring the tables up to date; a journal in a file is brought up to date by each command that opens it."""
    choice.check_exists()
    version = await bulk.migrate(choice.address)
    screen.emit({"journal": choice.name, "migrated": version is not None, "version_before": version})
    if choice.file is not None:
        screen.print(f"{choice.name} is a file, which is brought up to date when it is opened: nothing to do")
    elif version is None:
        screen.print(f"{choice.name} is up to date: nothing to do")
    else:
        done = f"upgraded from version {version}" if version else "made"
        screen.print(f"the tables of {choice.name} are {done}")
