"""What all tests share: an environment of their own, thinned tables, and hypothesis profiles."""

import os
import zlib

import pytest
from hypothesis import HealthCheck, Phase, settings

# A user's settings must not change what the tests see. Those stay that choose what is tested.
KEPT = {"IRFLOW_TEST", "IRFLOW_BACKEND", "IRFLOW_EAGER", "IRFLOW_NUM_THREADS"}


def pytest_configure(config: pytest.Config) -> None:
    """Remove the user's irflow settings, and check every graph as strictly as possible."""
    for name in [name for name in os.environ if name.startswith("IRFLOW_")]:
        if name not in KEPT:
            del os.environ[name]
    os.environ["IRFLOW_CHECK"] = "3"
    os.environ["IRFLOW_CACHE"] = "off"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a table that is `thinned(n)` one row in `n` is quick, by its name; the others are slow."""
    for item in items:
        marker = item.get_closest_marker("thinned")
        if marker is not None and zlib.crc32(item.name.encode()) % marker.args[0]:
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bless`: text tests write what they got as what they expect; read the diff afterwards."""
    parser.addoption(
        "--bless", action="store_true", help="rewrite the expected text in tests/files"
    )


@pytest.fixture(scope="session")
def bless(request: pytest.FixtureRequest) -> bool:
    """Whether a text test must rewrite its file instead of failing."""
    return bool(request.config.getoption("--bless"))


# `make test` takes the examples that follow from each test's source, so that two runs do the same;
# `make test-all` (IRFLOW_TEST=all) looks for new ones.
# Without the phase that explains failures: it traces every line, which makes shrinking slow.
COMMON = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
settings.register_profile("quick", COMMON, derandomize=True)
settings.register_profile("all", COMMON, print_blob=True)
settings.load_profile("all" if os.environ.get("IRFLOW_TEST") == "all" else "quick")
