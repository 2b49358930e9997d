import pytest

from headstart.testing import World, open_world


@pytest.fixture(scope="module")
def world() -> World:
    return open_world("head")
