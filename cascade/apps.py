from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string


class CascadeConfig(AppConfig):
    name = "cascade"

    def ready(self) -> None:
        """Register the system checks, and the operator's quality callbacks: a path that leads nowhere stops the start, lest a veto vanishes."""
        from cascade import checks  # noqa: F401 - registers the system checks

        if not settings.QUALITY_CALLBACKS:
            return
        from cascade.engine.quality.callbacks import register_callbacks  # loads the engine: only where it is wanted

        callbacks = {path.rpartition(".")[2]: _callback(path) for path in settings.QUALITY_CALLBACKS}
        register_callbacks(callbacks, limit_s=settings.QUALITY_CALLBACK_MS / 1000)


def _callback(path: str):  # type: ignore[no-untyped-def]  # whatever stands there; that it can be called is checked
    try:
        callback = import_string(path)
    except ImportError as wrong:
        raise ImproperlyConfigured(f"QUALITY_CALLBACKS: {path!r} cannot be imported: {wrong}") from wrong
    if not callable(callback):
        raise ImproperlyConfigured(f"QUALITY_CALLBACKS: {path!r} cannot be called")
    return callback
