from collections.abc import Callable

import pytest

from merflow.promotion.registry.registry import Registry
from merflow.tracking.connection import Connection
from tests.promotion.registry.versions import logged_model, register


@pytest.fixture(scope="session")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Connection:
    return Connection(f"sqlite:///{tmp_path_factory.mktemp('registry') / 'mlflow.db'}")


@pytest.fixture(scope="session")
def model(connection: Connection, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Log a model; return it and its run. Versions of many registered models point to it."""
    return logged_model(connection.uri, tmp_path_factory.mktemp("model"))


@pytest.fixture
def registered(
    connection: Connection, model: tuple[str, str], request: pytest.FixtureRequest
) -> Callable[[int], Registry]:
    """Return a function that makes a registered model of the test's own with so many versions."""

    def make(versions: int) -> Registry:
        registry = Registry(connection, str(request.node.name)[:100], who="anna")
        for _ in range(versions):
            register(registry, model)
        return registry

    return make
