from django.apps import AppConfig


class CascadeConfig(AppConfig):
    name = "cascade"

    def ready(self) -> None:
        from cascade import checks  # noqa: F401 - registers the system checks
