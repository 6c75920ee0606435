"""The help of the commands: Typer's, with paragraphs that fill the lines, and no type beside flags."""

import re
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "CommandGroup"]

LINE_BREAK: Final = re.compile(r"(?<!\n)\n(?!\n)")
"""A line break within a paragraph; Typer joins the lines of the first paragraph alone."""


class Command(TyperCommand):
    """A command."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.help: str | None = self.help and LINE_BREAK.sub(" ", self.help)

    # Depending on its version, Typer's context and parameters are click's classes or copies of them.
    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, ``--help`` included."""
        return _without_flag_types(super().get_params(ctx))


class CommandGroup(TyperGroup):
    """A group of commands."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, ``--help`` included."""
        return _without_flag_types(super().get_params(ctx))


def _without_flag_types(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters
