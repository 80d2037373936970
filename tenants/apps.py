from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenantsConfig(AppConfig):
    name = "tenants"

    def ready(self) -> None:
        from tenants import checks  # noqa: F401 - registers the system checks
        from tenants.accounts import events  # noqa: F401 - registers the receivers
        from tenants.database import secure_app

        post_migrate.connect(secure_app, dispatch_uid="tenants.secure_app")
