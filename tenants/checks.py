"""System checks: what must hold before anything is served."""

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from tenants.models import GLOBAL_MODELS, tenant_column

OUR_APPS = {"tenants", "billing", "cascade", "dashboards"}


@register(Tags.models)
def every_model_has_a_tenant(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{model._meta.label} has no tenant.",
            hint="Derive it from TenantOwnedModel, or name it in tenants.models.GLOBAL_MODELS and say why.",
            obj=model,
            id="tenants.E001",
        )
        for model in apps.get_models()
        if model._meta.app_label in OUR_APPS and model._meta.label not in GLOBAL_MODELS and tenant_column(model) is None
    ]


@register(Tags.database)
def the_application_is_bound_by_row_level_security(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    if "default" not in (databases or ()):
        return []
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls, rolname FROM pg_roles WHERE rolname = current_user")
        unbound, role = cursor.fetchone()
    if not unbound:
        return []
    return [
        Error(
            f"The role {role!r} of DATABASE_URL is a superuser or bypasses row-level security, so tenants would not be kept apart.",
            hint=f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS; docs/guides/database.md tells how to make the two roles.",
            id="tenants.E002",
        )
    ]
