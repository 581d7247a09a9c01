"""A network as companies have it: Bitbucket and Port behind certificates of their own authority and behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.standins.certificates import PrivateAuthority
from local.standins.forward_proxy import ForwardProxy


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    """A proxy that leads nowhere yet; not started."""
    made = ForwardProxy()
    yield made
    made.stop()
