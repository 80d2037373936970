"""How many different labels there may be: what comes beyond is "other", so that no caller and no tenant can fill a monitoring system."""

from collections import defaultdict

from cascade.telemetry.metrics import Measure, Metric

__all__ = ["MOST_SERIES", "MOST_SERIES_OF_A_TENANT", "MOST_TENANTS", "MOST_VALUES", "OTHER", "LabelBounds"]

OTHER = "other"
MOST_TENANTS = 200
MOST_VALUES = 50
"""Of one label, for one tenant."""
MOST_SERIES_OF_A_TENANT, MOST_SERIES = 200, 5_000
"""Of one metric."""
NAMED_BY_PEOPLE = frozenset({"tenant", "tier", "domain", "preset", "provider", "model", "request_model"})
"""All other labels have a few values of our own."""


class LabelBounds:
    """First come, first named: what was seen while there was room keeps its name as long as the process lives.

    Worked example: with 50 values for each tenant, the 51st model of acme is counted under "other", acme's first and globex's are not.
    """

    def __init__(self) -> None:
        self._tenants: set[str] = set()
        self._values: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._series: dict[Metric, dict[str, set[tuple[str, ...]]]] = {}

    def bound(self, measure: Measure) -> Measure:
        """Return the measure under labels that may be used."""
        metric, _, labels = measure
        names = metric.labels + metric.more_labels
        series = self._series.setdefault(metric, {})
        whose = labels[0] if names[0] == "tenant" else ""
        if labels in series.get(whose, ()):
            return measure
        whose = self._named(self._tenants, whose, most=MOST_TENANTS) if whose else ""
        bounded = tuple(self._value(whose, name, value) for name, value in zip(names, labels, strict=True))
        known = series.setdefault(whose, set())
        if bounded not in known:
            if len(known) >= MOST_SERIES_OF_A_TENANT or sum(map(len, series.values())) >= MOST_SERIES:
                bounded = tuple(
                    value if name not in NAMED_BY_PEOPLE else whose if name == "tenant" else OTHER for name, value in zip(names, bounded, strict=True)
                )
            known.add(bounded)
        return measure._replace(labels=bounded)

    def pair(self, tenant: str, name: str, value: str) -> tuple[str, str]:
        """Return a tenant and one more label of its as they may be used."""
        whose = self._named(self._tenants, tenant, most=MOST_TENANTS)
        return whose, self._value(whose, name, value)

    def _value(self, whose: str, name: str, value: str) -> str:
        if name == "tenant":
            return whose
        if name not in NAMED_BY_PEOPLE or not value:
            return value
        return self._named(self._values[whose, name], value, most=MOST_VALUES)

    @staticmethod
    def _named(known: set[str], value: str, *, most: int) -> str:
        if value in known:
            return value
        if len(known) >= most:
            return OTHER
        known.add(value)
        return value
