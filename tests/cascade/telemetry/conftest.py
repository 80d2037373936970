"""A site that tells its runs to a collector and to Prometheus."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import live
from tests.collector import TOKEN, Collector, collecting
from tests.live import ScriptedProvider, Server
from tests.stage import Stage, staged

SECRET_HEADER = "CANARY-OF-THE-COLLECTORS-KEY"


def telling(collector_url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a site that tells all it has."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector_url, "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRET_HEADER}",
        "OTEL_METRIC_EXPORT_INTERVAL": "300", "METRICS_TOKEN": TOKEN, "METRICS_FOLDER": str(folder), **more,
    }  # fmt: skip


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    with collecting() as kept:
        yield kept


@pytest.fixture(scope="session")
def watched_site(django_db_setup: None, collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    greedy = {f"OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_{side}": ".*" for side in ("REQUEST", "RESPONSE")}
    environment = telling(collector.url, tmp_path_factory.mktemp("metrics"), TELEMETRY_INSTRUMENT="django", **greedy)
    with live.site(**environment) as server:
        yield server


@pytest.fixture
def watched(watched_site: Server, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest) -> Iterator[Stage]:
    """The cast on that site."""
    with django_db_blocker.unblock(), staged(site=watched_site, upstream=upstream, scripted=scripted) as stage:
        yield stage
