"""The page of the settings."""

import attrs
from reference_pages.source import docstring, markdown, members, table, table_row

from musicapi_async import Settings
from musicapi_async._settings import VARIABLES

__all__ = ["settings_page"]


def settings_page() -> str:
    """Describe every setting."""
    defaults = {field.name: f"`{field.default!r}`" for field in attrs.fields(Settings)} | {"api_key": "required"}
    rows = [
        table_row(
            f"`{one.name}`", f"`{one.type}`", defaults[one.name], variable(one.name) + markdown(" ".join(one.text.split()))
        )
        for one in members(Settings)
    ]
    text = "Each is a keyword of `MusicAPI(...)`; what is not given comes from the environment, or is the default."
    heading = ["# Settings", "", text, "", docstring(Settings), ""]
    return "\n".join([*heading, *table(("setting", "type", "default", "meaning"), rows)])


def variable(name: str) -> str:
    """Return the environment variable of a setting, in a sentence; empty without one."""
    return f"Read from `{VARIABLES[name]}`. " if name in VARIABLES else ""
