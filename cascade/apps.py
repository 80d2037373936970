from django.apps import AppConfig
from django.conf import settings


class CascadeConfig(AppConfig):
    name = "cascade"

    def ready(self) -> None:
        """Register the system checks, where finance reads runs from, and the operator's quality callbacks: a path that leads nowhere stops the
        start, lest a veto vanishes."""
        from billing.exports.baselines import read_runs_from
        from cascade import checks  # noqa: F401 - registers the system checks
        from cascade.savings import BASELINES

        read_runs_from(BASELINES)

        if settings.METRICS_TOKEN:
            from cascade.telemetry import upkeep  # noqa: F401 - listens to the ledger's upkeep
        if not settings.QUALITY_CALLBACKS:
            return
        from cascade.callables import callables_of
        from cascade.engine.quality.callbacks import register_callbacks  # loads the engine: only where it is wanted

        register_callbacks(callables_of("QUALITY_CALLBACKS"), limit_s=settings.QUALITY_CALLBACK_MS / 1000)
