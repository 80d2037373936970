"""manage.py rotate_credentials: write every stored secret anew with the first of CREDENTIAL_KEYS, so that older keys can go."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError

from tenants.encryption import EncryptedTextField, LostSecret
from tenants.models import Tenant
from tenants.scoping import TenantOwnedModel, platform_scope, tenant_scope


class Command(BaseCommand):
    help = "Encrypts all stored credentials anew with the first of CREDENTIAL_KEYS. Kept replies are left alone: they are gone after a day."

    def handle(self, **_: Any) -> None:
        written = lost = 0
        with platform_scope():
            tenants = list(Tenant.objects.values_list("pk", "slug"))
        for identity, slug in tenants:
            with tenant_scope(identity):
                for row, name in secrets_of_scope():
                    if isinstance(getattr(row, name), LostSecret):
                        self.stderr.write(f"{slug}: {row._meta.verbose_name} {row} cannot be read with any of CREDENTIAL_KEYS. Enter it anew.")
                        lost += 1
                    else:
                        row.save(update_fields=[name])
                        written += 1
        self.stdout.write(f"{written} credentials are encrypted with the first of CREDENTIAL_KEYS.")
        if lost:
            raise CommandError(f"{lost} credentials cannot be read: keep the older keys until they were entered anew.")


def secrets_of_scope() -> Iterator[tuple[TenantOwnedModel, str]]:
    """Yield each row of the scope's tenant that holds a secret and may be changed by us, with the name of the field."""
    for model in apps.get_models():
        if not issubclass(model, TenantOwnedModel) or "UPDATE" not in model.database_grants:
            continue
        for field in model._meta.fields:
            if isinstance(field, EncryptedTextField):
                yield from ((row, field.name) for row in model.objects.select_for_update() if getattr(row, field.name))
