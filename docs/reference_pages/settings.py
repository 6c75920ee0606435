"""The page of the settings."""

import attrs

from musicapi_async import Settings
from musicapi_async._settings import VARIABLES
from reference_pages.source import docstring, markdown, members, table, table_row

__all__ = ["settings_page"]


def settings_page() -> str:
    """Describe every setting."""
    defaults = {field.name: f"default `{field.default!r}`" for field in attrs.fields(Settings)}
    defaults["api_key"] = "required"
    defaults["headers"] = "default none"
    rows = [
        table_row(
            f"`{one.name}`", f"`{one.type}`, {defaults[one.name]}. {markdown(prose(one.text))}{variable(one.name)}"
        )
        for one in members(Settings)
    ]
    text = "Each is a keyword of `MusicAPI(...)`; what is not given comes from the environment, or is the default."
    heading = ["# Settings", "", text, "", docstring(Settings), ""]
    return "\n".join([*heading, *table(("setting", "type and meaning"), rows)])


def prose(text: str) -> str:
    """Return a text on one line."""
    return " ".join(text.split())


def variable(name: str) -> str:
    """Return the environment variable of a setting, in a sentence; empty without one."""
    return f" In the environment: `{VARIABLES[name]}`." if name in VARIABLES else ""
