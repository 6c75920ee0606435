"""The group of the commands of ``musicapi bulk``, with a command that needs no name."""

import difflib
from pathlib import Path
from typing import Any

from musicapi_async.cli.help import CommandGroup

__all__ = ["RunByDefault"]


class RunByDefault(CommandGroup):
    """Makes ``musicapi bulk FILE ...`` mean ``musicapi bulk run FILE ...``."""

    # Depending on its version, Typer's context is click's class or a copy of it.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the command that was left out."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = args if self._is_misspelt(args[0]) else ["run", *args]
        return super().parse_args(ctx, args)

    def _is_misspelt(self, word: str) -> bool:
        is_name = "." not in word and not Path(word).exists()
        return is_name and bool(difflib.get_close_matches(word, self.commands))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the commands, then what the command takes that is run without a name."""
        super().format_help(ctx, formatter)
        run = self.commands["run"]
        run.format_help(type(ctx)(run, info_name="[run]", parent=ctx), formatter)
