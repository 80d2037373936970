"""What provisioning did, in words, and the one way in which it writes a row."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from django.db import models
from msgspec import Struct

from billing.engine.money import to_usd
from cascade.provisioning.scalars import UNLIMITED
from tenants.encryption import Secret
from tenants.scoping import TenantOwnedModel

Row = TypeVar("Row", bound=models.Model)
OwnedRow = TypeVar("OwnedRow", bound=TenantOwnedModel)


class Change(Struct, frozen=True):
    """One change, as `+ acme: model gpt-4o-mini` or `~ acme: budget tenant daily: limit 5 -> 10 USD`."""

    sign: str
    tenant: str
    text: str

    def __str__(self) -> str:
        return f"{self.sign} {self.tenant}: {self.text}"


class Changes:
    """The changes of one tenant, in the order in which they were made."""

    def __init__(self, *, tenant: str) -> None:
        self.made: list[Change] = []
        self._tenant = tenant

    def added(self, label: str) -> None:
        self.made.append(Change("+", self._tenant, label))

    def changed(self, label: str, details: Sequence[str]) -> None:
        self.made.append(Change("~", self._tenant, f"{label}: {', '.join(details)}"))

    def upsert(self, model: type[OwnedRow], *, label: str, key: Mapping[str, Any], values: Mapping[str, Any]) -> OwnedRow:
        """Return the row of this key, made or changed so that it has the values. A value of None is left as it is."""
        given = {name: plain(value) for name, value in values.items() if value is not None}
        row = model.objects.filter(**key).first()
        if row is None:
            self.added(label)
            return model.objects.create(**{name: plain(value) for name, value in key.items()}, **given)
        self.update(row, label=label, values=given)
        return row

    def update(self, row: models.Model, *, label: str, values: Mapping[str, Any]) -> None:
        """Give the row exactly these values, None included, and say what changed."""
        differing = {name: value for name, value in values.items() if getattr(row, name) != value}
        if not differing:
            return
        self.changed(label, [difference(name, getattr(row, name), value) for name, value in differing.items()])
        for name, value in differing.items():
            setattr(row, name, value)
        row.save(update_fields=[*differing])


def difference(name: str, old: Any, new: Any) -> str:
    """Return one changed value in words; a secret's value stays untold."""
    if isinstance(new, Secret):
        return f"{name} changed"
    if name.endswith("_nusd"):
        return f"{name.removesuffix('_nusd')} {_usd(old)} -> {_usd(new)} USD"
    return f"{name} {_shown(old)} -> {_shown(new)}"


def plain(value: Any) -> Any:
    """Return a value as the database's adapter knows it: a plain str for what is only a kind of str, null for no limit."""
    if value is UNLIMITED:
        return None
    if isinstance(value, str):
        return str(value)
    return [plain(item) for item in value] if isinstance(value, list) else value


def _usd(nusd: int | None) -> str:
    return "none" if nusd is None else to_usd(nusd)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "none" if value is None or value == "" else str(value)
