from musicapi_async import Songs, operations
from musicapi_async.cli.choices import FAMILIES_FROM_IDEA, FAMILIES_FROM_LYRICS, SONG_FAMILIES


def families_with(verb: str) -> list[str]:
    return sorted(operation.family for operation in operations() if operation.operation_name.endswith(f".{verb}"))


def test_families_in_the_help_are_those_of_the_operations() -> None:
    assert list(SONG_FAMILIES) == sorted({operation.family for operation in operations() if operation.result is Songs})
    assert list(FAMILIES_FROM_IDEA) == families_with("describe")
    assert list(FAMILIES_FROM_LYRICS) == families_with("create")
