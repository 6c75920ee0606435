"""The help of the commands: Typer's, without a type beside options that take no value."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

__all__ = ["Command", "CommandGroup"]


class Command(TyperCommand):
    """A command."""

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
