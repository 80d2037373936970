"""manage.py rotate_credentials: afterwards the first key alone is enough."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from cascade.models import ProviderConnection
from tenants.encryption import LostSecret, Secret
from tenants.scoping import tenant_scope
from tests.cast import Cast


def connection_of(tenant: Any) -> ProviderConnection:
    with tenant_scope(tenant.id):
        return ProviderConnection.objects.get(name="main")


def test_every_tenants_credentials_are_readable_with_the_new_key_alone_afterwards(cast: Cast, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["the-old-key"]
    for tenant, credential in ((cast.acme, "sk-acme"), (cast.globex, "sk-globex")):
        with tenant_scope(tenant.id):
            ProviderConnection.objects.create(name="main", provider="openai", credential=Secret(credential))
    settings.CREDENTIAL_KEYS = ["the-new-key", "the-old-key"]
    out = io.StringIO()
    call_command("rotate_credentials", stdout=out)
    assert out.getvalue().endswith("credentials are encrypted with the first of CREDENTIAL_KEYS.\n")
    assert "sk-" not in out.getvalue()
    settings.CREDENTIAL_KEYS = ["the-new-key"]
    assert [connection_of(tenant).credential.reveal() for tenant in (cast.acme, cast.globex)] == ["sk-acme", "sk-globex"]


def test_one_that_no_key_reads_is_named_and_left_as_it_is(cast: Cast, settings: Any) -> None:
    settings.CREDENTIAL_KEYS = ["a-lost-key"]
    with tenant_scope(cast.acme.id):
        ProviderConnection.objects.create(name="main", provider="openai", credential=Secret("sk-acme"))
    settings.CREDENTIAL_KEYS = ["the-new-key"]
    err = io.StringIO()
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("rotate_credentials", stdout=io.StringIO(), stderr=err)
    assert f"{cast.acme.slug}: provider connection main cannot be read" in err.getvalue()
    assert isinstance(connection_of(cast.acme).credential, LostSecret)
    settings.CREDENTIAL_KEYS = ["a-lost-key"]
    assert connection_of(cast.acme).credential.reveal() == "sk-acme"
