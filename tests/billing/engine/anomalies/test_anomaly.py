"""How anomalies are weighed, and how often one must be called useless before its series is watched less closely."""

import pytest

from billing.engine.anomalies.anomaly import Impact, Severity, sensitivity_step

USD = 1_000_000_000


@pytest.mark.parametrize(
    ("expected", "actual", "severity"),
    [
        (96, 220, Severity.CRITICAL),
        (10, 14, Severity.INFO),
        (10, 15, Severity.WARNING),
        (100, 129, Severity.INFO),
        (100, 130, Severity.WARNING),
        (0, 5, Severity.WARNING),
        (0, 50, Severity.CRITICAL),
        (60, 0, Severity.CRITICAL),
        (1000, 1060, Severity.INFO),
    ],
)
def test_severity_goes_by_money_and_by_share(expected: int, actual: int, severity: Severity) -> None:
    assert Impact().severity_of(expected_nusd=expected * USD, actual_nusd=actual * USD) is severity


def test_each_third_useless_anomaly_is_a_step_and_three_steps_are_the_most() -> None:
    assert [sensitivity_step(times) for times in (0, 2, 3, 5, 6, 9, 100)] == [0, 0, 1, 1, 2, 3, 3]
