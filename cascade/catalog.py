"""What a tenant has of providers and models, as those need it who compare usage files or write files for finance."""

from collections.abc import Mapping

from billing.pricebook import read_book
from billing.reconciling import Catalog
from cascade.engine.providers.registry import provider_spec
from cascade.models import CatalogModel, ProviderConnection
from tenants.errors import Conflict


def catalog_of(connection: str) -> Catalog:
    """Return the models of a connection of the scope's tenant, with their prices. Raises Conflict that names the connections there are."""
    if not ProviderConnection.objects.filter(name=connection).exists():
        known = ", ".join(ProviderConnection.objects.values_list("name", flat=True)) or "none yet"
        raise Conflict(f"There is no provider connection called {connection[:64]!r}. There are: {known}.", code="no_such_connection")
    rows = list(CatalogModel.objects.select_related("connection").filter(connection__name=connection))
    places = {row.name: row.place for row in rows}
    return Catalog(
        connection=connection, upstream_names={row.name: row.place[1] for row in rows}, places=places, book=read_book(places.values())
    )  # fmt: skip


def names_of_models() -> Mapping[str, Mapping[str, str]]:
    """Return what providers and models of the scope's tenant are called outside: `providers` by connection, `models` by the tenant's name."""
    providers = dict(ProviderConnection.objects.values_list("name", "provider"))
    models = CatalogModel.objects.exclude(upstream_name="").values_list("name", "upstream_name")
    return {"providers": {name: provider_spec(slug).title for name, slug in providers.items()}, "models": dict(models)}
