"""Tiers as a resource of the console: what each one binds, and the policy that holds where none was written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.db.models import QuerySet

from cascade.engine.tiers import BUILT_IN_POLICIES
from cascade.tier_policies import policy_of, save_tier
from dashboards.forms.tiers import TierForm
from dashboards.resources import Column, Resource
from dashboards.templatetags.money import money, whole
from tenants.models import Membership, Tier
from tenants.roles import Permission


class Tiers(Resource[Tier]):
    """Classes of end users."""

    name, one, title = "tiers", "tier", "Tiers and policies"
    columns = (
        Column(label="Tier"), Column(label="Preset"), Column(label="Models"), Column(label="A run", is_number=True),
        Column(label="Answer", is_number=True), Column(label="Requests a minute", is_number=True), Column(label="Policy"),
    )  # fmt: skip
    row_template, form_template = "console/tiers/row.html", "console/tiers/form.html"
    search_fields, search_label = ("name", "title"), "Name or title"
    ordering = ("name",)
    creates = Permission.EDIT_TIERS
    note = "A tier binds on every path of a run. Its rate limits are for each end user of it. Budgets of a tier are on the Budgets page."

    def rows(self, *, membership: Membership, now: datetime) -> QuerySet[Tier]:
        return Tier.objects.select_related("policy")

    def present(self, rows: Sequence[Tier], *, now: datetime) -> Sequence[Any]:
        return [{"row": row, "policy": policy_of(row), "source": source_of(row), "models": models_in_words(row)} for row in rows]

    def describe(self, row: Tier) -> Mapping[str, str]:
        policy = policy_of(row)
        return {
            "Name": row.name, "Title": row.title, "Requests a minute": _limit(row.requests_per_minute),
            "Tokens a minute": _limit(row.tokens_per_minute), "Preset": policy.preset or "the default one",
            "Allowed models": ", ".join(sorted(policy.allowed_models)) or "every model", "Denied models": ", ".join(sorted(policy.denied_models)),
            "Fallback": policy.fallback or "none",
            "Most that one run may hold": "any" if policy.max_cost_nusd is None else money(policy.max_cost_nusd),
            "Most steps": _limit(policy.max_steps), "Longest answer": _limit(policy.max_tokens),
            "Least quality": "none" if policy.min_quality is None else f"{policy.min_quality:g}",
        }  # fmt: skip

    def form(
        self, data: Mapping[str, Any] | None, *, row: Tier | None, membership: Membership, suggested: Mapping[str, Any] | None = None
    ) -> forms.Form:
        return TierForm(data, tier=row)

    def save(self, form: TierForm, *, row: Tier | None, membership: Membership, now: datetime) -> Tier:
        return save_tier(tier=row or Tier(), changes=form.cleaned_data)

    def changed(self, row: Tier, changes: Mapping[str, Any]) -> Tier:
        return save_tier(tier=row, changes=changes)

    def label(self, row: Tier) -> str:
        return row.title or row.name


def source_of(tier: Tier) -> str:
    """Who says the policy: example, "built in"."""
    if getattr(tier, "policy", None) is not None:
        return "your own"
    return "built in" if tier.name in BUILT_IN_POLICIES else "none"


def models_in_words(tier: Tier) -> str:
    policy = policy_of(tier)
    allowed = f"{len(policy.allowed_models)} allowed" if policy.allowed_models else "every model"
    return f"{allowed}, {len(policy.denied_models)} denied" if policy.denied_models else allowed


def _limit(number: int | None) -> str:
    return "any" if number is None else whole(number)
