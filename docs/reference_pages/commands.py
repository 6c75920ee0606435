"""The page of the command line, from the commands themselves."""

import re
from collections.abc import Iterator
from typing import Any, Final

import typer

from musicapi_async.cli.app import app
from reference_pages.source import table, table_row

__all__ = ["commands_page"]

INSTALLING: Final = (
    "`pip install 'musicapi-async[cli]'` installs it, and `musicapi --install-completion` completes its commands and "
    "options in bash, zsh, fish and PowerShell."
)


def commands_page() -> str:
    """Describe every command and its options."""
    root: Any = typer.main.get_command(app)
    lines = ["# Command line", "", text_of(root.help), "", INSTALLING, ""]
    for name, command in root.commands.items():
        lines += command_part(f"musicapi {name}", command)
    codes = [line.strip().split("  ", 1) for line in root.epilog.splitlines()[1:]]
    lines += ["## Exit codes", "", *table(("code", "meaning"), [table_row(*code) for code in codes])]
    return "\n".join(lines)


def command_part(name: str, command: Any) -> Iterator[str]:
    """Describe a command and its options, and the commands below it."""
    if command.hidden:
        return
    yield from (f"## {name}", "", text_of(command.help), "")
    parameters = [one for one in command.params if not one.hidden and one.name != "help"]
    rows = [table_row(f"`{usage(one)}`", text_of(one.help)) for one in parameters]
    yield from table(("argument or option", "meaning"), rows)
    for below, child in getattr(command, "commands", {}).items():
        yield from command_part(f"{name} {below}", child)


def usage(parameter: Any) -> str:
    """Return how a parameter is written."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    value = f" {parameter.metavar}" if parameter.metavar else ""
    return ", ".join([*parameter.opts, *parameter.secondary_opts]) + value


def text_of(help_text: str | None) -> str:
    """Return a help text without the markup of the terminal, each paragraph on one line."""
    plain = re.sub(r"\[/?(?:bold|dim|cyan|italic|green|yellow)[^\]]*\]", "", help_text or "")
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", plain.replace("\b", "")))
