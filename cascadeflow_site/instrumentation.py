"""Has Django's requests, Celery's tasks and calls by httpx make spans, in the processes of the site alone: not in commands."""

from django.conf import settings


def instrument_this_process() -> None:
    """Switch on what TELEMETRY_INSTRUMENT names, where there is a collector for traces."""
    from cascade.telemetry.process import collector_urls, exporter  # names no rows: Django need not be ready

    if not settings.TELEMETRY_INSTRUMENT or not collector_urls()[0]:
        return
    from cascade.telemetry.instrumentation import instrument

    sending = exporter()
    assert sending is not None
    instrument(settings.TELEMETRY_INSTRUMENT, sending)
