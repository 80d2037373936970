"""Where telemetry goes by the standard variables, and what the system checks say of wrong ones."""

from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from cascade.telemetry.process import collector_urls
from cascade.telemetry.settings_checks import problems

BASE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("said", "urls"),
    [
        ({}, ("", "")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE}, (f"{BASE}/v1/traces", f"{BASE}/v1/metrics")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{BASE}/otlp/"}, (f"{BASE}/otlp/v1/traces", f"{BASE}/otlp/v1/metrics")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/t"}, ("http://x/t", f"{BASE}/v1/metrics")),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x/m"}, ("", "http://x/m")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE, "OTEL_TRACES_EXPORTER": "none"}, ("", f"{BASE}/v1/metrics")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE, "OTEL_METRICS_EXPORTER": "none"}, (f"{BASE}/v1/traces", "")),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE, "OTEL_SDK_DISABLED": True}, ("", "")),
    ],
)
def test_the_standard_variables_say_where_it_goes(said: dict[str, Any], urls: tuple[str, str]) -> None:
    with override_settings(**said):
        assert collector_urls() == urls
        assert not list(problems())


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "127.0.0.1:4318"}, "no http(s) URL"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": BASE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER"),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER"),
        ({"TELEMETRY_INSTRUMENT": ["django", "flask"]}, "flask"),
        ({"METRICS_TOKEN": "short"}, "METRICS_TOKEN"),
    ],
)
def test_a_setting_that_would_tell_nothing_is_an_error_of_the_system_checks(said: dict[str, Any], word: str) -> None:
    with override_settings(**said):
        found = [error for error in run_checks() if error.id == "cascade.E002"]
    assert found
    assert all(word in error.msg for error in found)
    assert "short" not in "".join(error.msg for error in found if word == "METRICS_TOKEN").replace("shorter", "")
