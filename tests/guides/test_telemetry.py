"""The page about telemetry, and the dashboard: what they name is what there is."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from opentelemetry.sdk import environment_variables

from tests import live
from tests.cascade.telemetry.conftest import telling
from tests.cascadeflow_site.test_metrics import CHECK_LEDGER
from tests.collector import Page
from tests.guides.conftest import GUIDES
from tests.live import ROOT, ScriptedProvider, Server, free_port, wait_until
from tests.stage import ACCEPT, REJECT, Stage, staged, step

PAGE = (GUIDES / "telemetry.md").read_text()
DASHBOARD = json.loads((ROOT / "docs/grafana/cascadeflow.json").read_text())
YAML = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
HISTOGRAM = re.compile(r"_(bucket|count|sum)$")
OF_PROMETHEUS = {"le"}
"""Labels that every histogram has."""


@pytest.fixture(scope="module")
def told_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metrics")


@pytest.fixture(scope="module")
def told_site(django_db_setup: None, told_folder: Path) -> Iterator[Server]:
    """Its collector is not there, so that something is lost."""
    nowhere = telling(f"http://127.0.0.1:{free_port()}", told_folder, OTEL_EXPORTER_OTLP_TIMEOUT="1", SWEEP_SECONDS="1")
    with live.site(**nowhere) as server:
        yield server


@pytest.fixture(scope="module")
def shown(
    told_site: Server, told_folder: Path, upstream: Server, scripted: ScriptedProvider, django_db_blocker: pytest.FixtureRequest
) -> Iterator[Page]:
    """/metrics of a site where everything has happened that is counted."""
    with django_db_blocker.unblock(), staged(site=told_site, upstream=upstream, scripted=scripted) as stage:
        let_everything_happen(stage)
        call_command("jobs", run="billing.forget_rates")
        environment = {**os.environ, **live.SITE_ENVIRONMENT, **telling("", told_folder)}
        subprocess.run([sys.executable, "-c", CHECK_LEDGER], cwd=ROOT, env=environment, capture_output=True, check=False)
        wait_until(lambda: Page(told_site.url).has("cascadeflow_telemetry_dropped_total"), seconds=30)
        wait_until(lambda: Page(told_site.url).has("cascadeflow_provider_breaker_open"), seconds=30)
        with ThreadPoolExecutor() as pool:
            call = pool.submit(stage.post, model="slow")
            stage.wait_until_held()
            page = Page(told_site.url)
            call.result()
        yield page


def let_everything_happen(stage: Stage) -> None:
    stage.add_preset("house", step("draft", "scripted", **REJECT), step("strong", "scripted-strong"))
    stage.add_preset("content", step("draft", "scripted", **ACCEPT), step("strong", "scripted-strong"))
    for model in ("house", "content"):
        stage.ask(model, user="ann")
    list(stage.ask("scripted", stream=True))
    for _ in range(12):
        assert stage.post(model="unplugged").status_code in (502, 503)
    stage.add_budget("0.000000001", scope="end_user")
    assert stage.post(model="steady", user="ben").status_code == 402


def used(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each metric of a PromQL expression, with the labels that the expression asks of it or groups it by."""
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}
    for name, matchers in re.findall(r"\b(cascadeflow_\w+)(?:\{([^}]*)\})?", expression):
        yield name, grouped | set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers or ""))


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    rules = next(block for block in YAML if "groups" in block)["groups"][0]["rules"]
    yield from (rule["expr"] for rule in rules)


def test_every_metric_and_label_of_the_dashboard_and_of_the_alerts_is_on_metrics(shown: Page) -> None:
    found = [pair for expression in expressions() for pair in used(expression)]
    assert len(found) > 40
    for name, labels in found:
        assert name in shown.labels, name
        assert labels <= shown.labels[name] | OF_PROMETHEUS, f"{name} has no {labels - shown.labels[name]}"


def test_every_legend_and_variable_of_the_dashboard_has_its_label(shown: Page) -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            legend = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert all(legend <= labels for _, labels in used(target["expr"])), panel["title"]
    (variable,) = (each["definition"] for each in DASHBOARD["templating"]["list"] if "definition" in each)
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable).groups()  # type: ignore[union-attr]
    assert label in shown.labels[metric]


def test_the_panels_lie_beside_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for spot in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
            assert taken.setdefault(spot, panel["title"]) == panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_the_pages_table_has_every_metric_with_its_labels_and_no_other(shown: Page) -> None:
    rows = re.findall(r"^\| (`cascadeflow_[^|]*?) \|([^|]*)\|", PAGE, re.MULTILINE)
    listed = {
        name: {label.strip() for label in labels.split(",") if label.strip()}
        for names, labels in rows for name in re.findall(r"`(\w+)`", names)
    }  # fmt: skip
    there = {HISTOGRAM.sub("", name): labels - OF_PROMETHEUS for name, labels in shown.labels.items()}
    assert listed == {name: labels for name, labels in there.items() if not name.endswith("_created")}


def test_every_variable_that_the_page_names_is_a_setting_of_ours_or_of_opentelemetry() -> None:
    ours = set(re.findall(r'env\.\w+\("([A-Z_]+)"', (ROOT / "cascadeflow_site/settings.py").read_text()))
    theirs = {name for name in dir(environment_variables) if name.startswith("OTEL_")}
    named = set(re.findall(r"\b((?:OTEL|TELEMETRY|METRICS)_[A-Z_]+[A-Z])\b", PAGE))
    assert len(named) > 15
    assert named - ours - theirs == set()


def test_prometheus_is_configured_with_fields_that_it_has() -> None:
    (scrape,) = next(block for block in YAML if "scrape_configs" in block)["scrape_configs"]
    assert set(scrape) == {"job_name", "scrape_interval", "scheme", "metrics_path", "authorization", "static_configs"}
    assert set(scrape["authorization"]) == {"type", "credentials_file"}
    assert scrape["metrics_path"] == "/metrics"


def test_each_collectors_pipelines_are_made_of_what_it_declares() -> None:
    collectors = [block for block in YAML if "service" in block]
    assert len(collectors) == 3
    for collector in collectors:
        connectors = set(collector.get("connectors", ()))
        declared = {
            "receivers": set(collector["receivers"]) | connectors, "processors": set(collector["processors"]),
            "exporters": set(collector["exporters"]) | connectors,
        }  # fmt: skip
        used_parts: dict[str, set[str]] = {part: set() for part in declared}
        for pipeline in collector["service"]["pipelines"].values():
            for part, names in pipeline.items():
                assert set(names) <= declared[part]
                used_parts[part] |= set(names)
        assert used_parts == declared
        assert set(collector["service"].get("extensions", ())) == set(collector.get("extensions", ()))
        assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")


def test_what_authenticates_an_exporter_is_an_extension_that_is_there() -> None:
    for collector in (block for block in YAML if "service" in block):
        for exporter in collector["exporters"].values():
            wanted: Any = (exporter or {}).get("auth", {}).get("authenticator")
            assert wanted is None or wanted in collector["extensions"]
