from __future__ import annotations

import pytest

from scripts.sam_template import Template, read


@pytest.fixture(scope="session")
def template() -> Template:
    """template.yaml as plain data; tests that change it copy it first."""
    return read()
