"""Songs in every format."""

from pathlib import Path

import pytest
from media_songs import CODECS, encode


@pytest.fixture(scope="session")
def samples() -> dict[str, bytes]:
    return {suffix: encode(suffix) for suffix in CODECS}


@pytest.fixture(params=list(CODECS))
def song(request: pytest.FixtureRequest, samples: dict[str, bytes], tmp_path: Path) -> Path:
    path = tmp_path / f"harbor.{request.param}"
    path.write_bytes(samples[request.param])
    return path
