"""Domain rules as a resource of the console: the tenant's own words beside the built-in ones."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.db.models import QuerySet

from billing import reports
from cascade.domain_rules import save_rule
from cascade.engine.domains import BUILT_IN_RULES
from cascade.models import DomainRule
from cascade.rule_replay import DAYS
from cascade.run_reports import RunSums, runs_by
from dashboards.access import may
from dashboards.forms.rules import BatchForm, PromptForm, RuleForm
from dashboards.resources import BulkAction, Column, Filter, Resource
from tenants.models import Membership, Tenant
from tenants.roles import Permission
from tenants.scoping import current_tenant_id

BUILT_IN_WEIGHTS = {(rule.domain, rule.phrase.lower()): rule.weight for rule in BUILT_IN_RULES}
STATES = {"on": "Enabled", "off": "Switched off"}


class Rules(Resource[DomainRule]):
    """Words and phrases of the tenant that speak for a domain."""

    name, one, title = "rules", "rule", "Domain rules"
    columns = (
        Column(label="Phrase"), Column(label="Domain"), Column(label="Weight", is_number=True), Column(label="Built in"),
        Column(label=f"Runs, {DAYS} days", is_number=True), Column(label="State"),
    )  # fmt: skip
    row_template, list_template = "console/rules/row.html", "console/rules/list.html"
    form_template = "console/rules/form.html"
    search_fields, search_label = ("phrase",), "Word or phrase"
    ordering = ("domain", "phrase")
    creates = Permission.EDIT_RULES
    note = f"{len(BUILT_IN_RULES):,} built-in words and phrases are read beside these. Yours for the same domain and phrase take their place."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[DomainRule]:
        return DomainRule.objects.all()

    def present(self, rows: Sequence[DomainRule], *, now: datetime) -> Sequence[Any]:
        """Each rule with the runs of the last days that met it: also while it is switched off."""
        today = reports.today_of(time_zone=Tenant.objects.get(pk=current_tenant_id()).time_zone, now=now)
        met = runs_by(dimension="rule", values=[str(row.pk) for row in rows], first=today - timedelta(days=DAYS - 1), last=today)
        return [
            {
                "row": row, "built_in": BUILT_IN_WEIGHTS.get((row.domain, row.phrase.lower())), "runs": met.get(str(row.pk), RunSums()).runs,
                "is_older": row.created_at < now - timedelta(days=DAYS),
            }
            for row in rows
        ]  # fmt: skip

    def beside(self, *, membership: Membership, now: datetime) -> Mapping[str, Any]:
        return {"prompt_form": PromptForm(), "batch_form": BatchForm(), "may_edit": may(membership, Permission.EDIT_RULES)}

    def describe(self, row: DomainRule) -> Mapping[str, str]:
        return {"Domain": row.domain, "Phrase": row.phrase, "Weight": f"{row.weight:g}", "Enabled": "yes" if row.is_enabled else "no"}

    def form(
        self, data: Mapping[str, Any] | None, *, row: DomainRule | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        return RuleForm(data, rule=row, suggested=suggested)

    def save(self, form: RuleForm, *, row: DomainRule | None, membership: Membership, now: datetime) -> DomainRule:
        return save_rule(rule=row or DomainRule(), changes=form.cleaned_data)

    def changed(self, row: DomainRule, changes: Mapping[str, Any]) -> DomainRule:
        return save_rule(rule=row, changes=changes)


Rules.filters = (
    Filter(
        name="domain", label="Domain", narrow=lambda rows, chosen: rows.filter(domain=chosen),
        choices=lambda: [(name, name) for name in DomainRule.objects.order_by("domain").values_list("domain", flat=True).distinct()[:200]],
    ),
    Filter(name="state", label="State", narrow=lambda rows, chosen: rows.filter(is_enabled=chosen == "on"), choices=lambda: list(STATES.items())),
)
Rules.bulk_actions = (
    BulkAction(name="off", label="Switch off", needs=Permission.EDIT_RULES, changes=lambda row, said: {"is_enabled": False}),
    BulkAction(name="on", label="Switch on", needs=Permission.EDIT_RULES, changes=lambda row, said: {"is_enabled": True}),
)
