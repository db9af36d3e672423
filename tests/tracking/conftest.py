import pytest


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'deep' / 'mlflow.db'}"


@pytest.fixture
def benchmark_id(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)
