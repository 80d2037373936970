"""Tiers in the console: made and changed with their policies, and the way of a call previewed by the planning of the one road."""

from typing import Any

import pytest
from django.test import Client

from billing.models import ModelPrice
from cascade.models import CatalogModel, ProviderConnection, TierPolicy
from tenants.models import Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


@pytest.fixture
def models(cast: Cast) -> None:
    with tenant_scope(cast.acme.id):
        row = ProviderConnection.objects.create(name="up", provider="openai")
        for name, part, price in (("mini", "draft", 150), ("large", "strong", 2500), ("middle", "", 900)):
            CatalogModel.objects.create(name=name, connection=row, part=part)
            ModelPrice.objects.create(model=name, source="test", input_nusd=price * 10**6, output_nusd=4 * price * 10**6)


def tier(cast: Cast, name: str = "pro") -> Tier:
    with tenant_scope(cast.acme.id):
        return Tier.objects.select_related("policy").get(name=name)


def edited(client: Client, row: Tier, **said: Any) -> Any:
    path = f"/o/acme/tiers/{row.pk}/edit/"
    page = client.get(path)
    form = page.context["form"]
    shown = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    return client.post(path, {**shown, "seen": page.context["seen"], **said})


def preview(client: Client, row: Tier, **said: str) -> Any:
    return client.get(f"/o/acme/tiers/{row.pk}/preview/", said).context["route"]


def test_a_new_tier_has_its_limits_and_its_policy(cast: Cast, operator: Client, models: None) -> None:
    operator.post("/o/acme/tiers/new/", {"name": "gold", "max_cost_nusd": "0.05", "requests_per_minute": "60", "denied_models": ["large"]})
    made = tier(cast, "gold")
    assert (made.requests_per_minute, made.policy.max_cost_nusd, made.policy.denied_models) == (60, 50_000_000, ["large"])


def test_a_built_in_policy_is_shown_and_followed_until_something_else_is_said(cast: Cast, operator: Client) -> None:
    free = tier(cast, "free")
    assert b"cost_optimized_saas" in operator.get(f"/o/acme/tiers/{free.pk}/").content
    assert edited(operator, free, title="Free of charge").status_code == 302
    with tenant_scope(cast.acme.id):
        assert not TierPolicy.objects.exists()
    edited(operator, free, max_tokens="512")
    policy = tier(cast, "free").policy
    assert (policy.max_tokens, policy.preset) == (512, "cost_optimized_saas")


@pytest.mark.parametrize(
    "wrong", [{"fallback": "nobodys"}, {"preset": "nobodys"}, {"denied_models": ["nobodys"]}, {"min_quality": "nan"}, {"max_cost_nusd": "-1"},
              {"max_cost_nusd": "9" * 20}, {"max_steps": "99999"}, {"requests_per_minute": "0"}, {"title": "x" * 201}], ids=range(9),
)  # fmt: skip
def test_what_a_tier_cannot_bind_is_told_and_nothing_is_changed(cast: Cast, operator: Client, wrong: dict[str, Any]) -> None:
    assert edited(operator, tier(cast), **wrong).status_code == 422
    with tenant_scope(cast.acme.id):
        assert not TierPolicy.objects.exists()


def test_the_second_of_two_editors_sees_what_the_first_has_changed(cast: Cast, operator: Client) -> None:
    row = tier(cast)
    path = f"/o/acme/tiers/{row.pk}/edit/"
    seen = operator.get(path).context["seen"]
    operator.post(path, {"max_tokens": "100", "seen": seen})
    page = operator.post(path, {"max_tokens": "200", "seen": seen})
    assert (page.status_code, page.context["conflict"]) == (409, [("Longest answer", "4,096", "100")])


def test_models_stay_or_are_removed_with_the_reason(cast: Cast, operator: Client, models: None) -> None:
    edited(operator, tier(cast), denied_models=["large"], fallback="middle")
    found = preview(operator, tier(cast))
    assert {one.model.name: bool(one.why_not) for one in found.models} == {"large": True, "middle": False, "mini": False}
    assert [one.step.model.name for one in found.steps] == ["mini", "middle"]
    assert any("may not use 'large'" in why for why in found.plan.skipped)


def test_what_is_left_of_a_budget_takes_a_cheaper_way_or_none(cast: Cast, operator: Client, models: None) -> None:
    best = preview(operator, tier(cast))
    cheaper = preview(operator, tier(cast), left="0.01")
    assert best.plan.rung == "best"
    assert cheaper.plan.max_cost_nusd <= 10_000_000
    assert cheaper.plan.degraded
    assert "may cost at most" in preview(operator, tier(cast), left="0.000000001").problem


def test_domain_and_complexity_decide_what_a_draft_must_score(cast: Cast, operator: Client, models: None) -> None:
    needs = [preview(operator, tier(cast), domain="code", complexity=name).steps[0].needs for name in ("trivial", "hard", "expert")]
    assert needs == sorted(needs)
    assert needs[0] < needs[2]


def test_the_budgets_of_a_named_end_user_count(cast: Cast, operator: Client, models: None) -> None:
    from billing.models import Budget

    with tenant_scope(cast.acme.id):
        Budget.objects.create(scope="end_user", subject="ben", period="daily", action="block", limit_nusd=1)
    assert "No budget can bear" in preview(operator, tier(cast), user="ben").problem
    assert not preview(operator, tier(cast), user="ann").problem


def test_a_tier_is_deleted_unless_it_is_the_default(cast: Cast, operator: Client) -> None:
    assert b"is the default tier" in operator.post(f"/o/acme/tiers/{tier(cast, 'free').pk}/delete/", follow=True).content
    operator.post(f"/o/acme/tiers/{tier(cast).pk}/delete/")
    with tenant_scope(cast.acme.id):
        assert set(Tier.objects.values_list("name", flat=True)) == {"free", "enterprise"}
