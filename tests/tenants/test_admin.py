"""The staff admin: who gets in, and that a form about one tenant offers nothing of another's."""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db.models import ForeignKey
from django.test import Client
from django.urls import reverse

from billing.models import Budget, CostEntry
from cascade.models import CatalogModel, DomainRule, ProviderConnection, TierPolicy
from tenants.admin_base import TenantModelAdmin, TenantRelatedFilter
from tenants.admin_site import PlatformAdminSite
from tenants.checks import OUR_APPS
from tenants.encryption import Secret
from tenants.models import ApiKey, EndUser, Membership, Tenant, Tier, User
from tenants.scoping import OutsideTenantScope, TenantOwnedModel, platform_scope, tenant_scope
from tests.cast import Cast
from tests.rest import book

BACKEND = "django.contrib.auth.backends.ModelBackend"
CREDENTIAL = "sk-CANARY-1234567890"
NOT_REGISTERED = {
    # composite primary keys, which Django's admin does not take
    "billing.DayRollup", "billing.Forecast", "billing.QuarterRollup", "billing.SealedBlock", "cascade.RunDay", "tenants.RateBucket",
    "tenants.CacheRow",  # nothing that people could read
}


class Staff(Client):
    def __init__(self, user: User) -> None:
        super().__init__()
        self.force_login(user, backend=BACKEND)

    def generic(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        return super().generic(method, path, *args, **{**kwargs, "secure": True})


@pytest.fixture
def root(cast: Cast) -> Staff:
    return Staff(cast.root)


@pytest.fixture
def rows(cast: Cast) -> dict[str, Any]:
    """A connection, a model and a policy of each tenant."""
    made: dict[str, Any] = {}
    for tenant in (cast.acme, cast.globex):
        with tenant_scope(tenant.id):
            connection = ProviderConnection.objects.create(name=f"{tenant.slug}-link", provider="simulated", credential=Secret(CREDENTIAL))
            model = CatalogModel.objects.create(name=f"{tenant.slug}-model", connection=connection)
            made[tenant.slug] = {"connection": connection, "model": model, "tier": Tier.objects.get(name="free")}
    return made


def page(name: str, *args: object) -> str:
    return reverse(f"admin:{name}", args=args)


class TestWhoGetsIn:
    def test_staff_alone(self, cast: Cast) -> None:
        for client in (Client(), Staff(cast.olga)):
            answer = client.get(page("tenants_tenant_changelist"), secure=True)
            assert answer.status_code == 302
            assert "/admin/login/" in answer.headers["location"]
        assert Staff(cast.root).get(page("tenants_tenant_changelist")).status_code == 200

    def test_staff_who_are_no_superusers_cannot_make_themselves_one(self, cast: Cast) -> None:
        helper = User.objects.create_user("helper@example.com", "x" * 20, is_staff=True)
        helper.user_permissions.set(_permissions("change_user", "view_user", "change_group"))
        client = Staff(helper)
        body = {"email": "olga@example.com", "name": "Olga", "is_superuser": "on", "is_staff": "on"}
        answer = client.post(page("tenants_user_change", cast.olga.pk), body)
        assert answer.status_code == 302
        cast.olga.refresh_from_db()
        assert not cast.olga.is_superuser
        assert not cast.olga.is_staff
        assert client.post(page("tenants_user_change", cast.root.pk), {"email": "root@example.com"}).status_code == 403
        assert client.post(page("auth_user_password_change", cast.root.pk), {}).status_code in (403, 404)
        assert client.get(page("auth_group_changelist")).status_code == 200  # to see, not to change
        assert client.get(page("auth_group_add")).status_code == 403

    def test_views_run_in_the_platforms_scope_which_ends_with_them(self, root: Staff, cast: Cast) -> None:
        text = root.get(page("tenants_enduser_changelist")).content.decode()
        assert {"ann", "gus"} <= set(re.findall(r">(ann|gus)<", text))
        with pytest.raises(OutsideTenantScope):
            EndUser.objects.count()


class TestEveryModel:
    def test_is_registered_on_the_scoped_base(self) -> None:
        assert isinstance(admin.site._wrapped, PlatformAdminSite)
        for model in apps.get_models():
            if model._meta.app_label not in OUR_APPS or model._meta.label in NOT_REGISTERED:
                continue
            registered = admin.site.get_model_admin(model)
            if issubclass(model, TenantOwnedModel):
                assert isinstance(registered, TenantModelAdmin), f"{model._meta.label} needs a TenantModelAdmin"
                assert registered.show_full_result_count is False

    def test_has_pages_that_open_and_show_no_secret(self, root: Staff, cast: Cast, rows: Any) -> None:
        with tenant_scope(cast.acme.id):
            book(cast.acme)
            digest = ApiKey.objects.order_by("id")[0].digest
        for model in apps.get_models():
            if model._meta.app_label not in OUR_APPS or model._meta.label in NOT_REGISTERED:
                continue
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            texts = [root.get(page(f"{name}_changelist"))]
            with platform_scope():
                one = model._default_manager.first()
            if one is not None:
                texts += [root.get(page(f"{name}_change", one.pk)), root.get(page(f"{name}_history", one.pk))]
            for answer in texts:
                assert answer.status_code == 200, (name, answer.status_code)
                text = answer.content.decode()
                assert CREDENTIAL not in text
                assert CREDENTIAL[-4:] not in re.sub(r"\d{5,}", "", text)
                assert bytes(digest).hex() not in text
                assert "argon2" not in text

    @pytest.mark.parametrize("name", ["billing_budgetwindow", "billing_reservation", "billing_costentry", "billing_modelprice", "cascade_cascaderun"])
    def test_money_is_only_looked_at(self, root: Staff, cast: Cast, name: str) -> None:
        assert root.get(page(f"{name}_add")).status_code == 403
        with tenant_scope(cast.acme.id):
            book(cast.acme)
            entry = CostEntry.objects.get()
        assert root.post(page("billing_costentry_change", entry.pk), {"amount_nusd": "1"}).status_code == 403
        assert root.post(page("billing_costentry_delete", entry.pk), {"post": "yes"}).status_code == 403


class TestForms:
    """Leak one of stock Django: the menus of foreign keys list everybody's rows, whatever get_queryset says."""

    @pytest.mark.parametrize(("model", "row", "field"), [("catalogmodel", "model", "connection")])
    def test_menus_list_the_objects_own_tenant_alone(self, root: Staff, rows: Any, model: str, row: str, field: str) -> None:
        text = root.get(page(f"cascade_{model}_change", rows["acme"][row].pk)).content.decode()
        assert "acme-link" in text
        assert "globex-link" not in text

    def test_every_foreign_key_of_every_admin_is_kept_to_the_tenant(self, root: Staff, cast: Cast, rf: Any) -> None:
        for model, registered in admin.site._registry.items():
            for field in model._meta.fields:
                if isinstance(field, ForeignKey) and field.name != "tenant" and issubclass(field.related_model, TenantOwnedModel):
                    request = rf.get("/")
                    request.user, request.form_tenant_id = cast.root, cast.acme.id
                    with platform_scope():
                        offered = registered.formfield_for_foreignkey(field, request).queryset
                        assert not offered.exclude(tenant=cast.acme).exists()
                        del request.form_tenant_id
                        assert not registered.formfield_for_foreignkey(field, request).queryset.exists()

    def test_a_foreign_id_that_is_sent_all_the_same_is_refused(self, root: Staff, cast: Cast, rows: Any) -> None:
        mine, theirs = rows["acme"], rows["globex"]
        body = {
            "connection": str(theirs["connection"].pk), "name": "acme-model", "upstream_name": "", "part": "", "capabilities": "tools",
            "context_tokens": "1000", "max_output_tokens": "1000", "cap_parameter": "",
        }
        answer = root.post(page("cascade_catalogmodel_change", mine["model"].pk), body)
        assert answer.status_code == 200
        assert "Select a valid choice" in answer.content.decode()
        saved = root.post(page("cascade_catalogmodel_change", mine["model"].pk), {**body, "connection": str(mine["connection"].pk)})
        assert saved.status_code == 302

    def test_a_new_row_asks_for_its_tenant_first_and_keeps_it(self, root: Staff, cast: Cast, rows: Any) -> None:
        add = page("cascade_tierpolicy_add")
        chooser = root.get(add).content.decode()
        assert str(cast.acme.pk) in chooser
        assert 'name="tier"' not in chooser
        for not_a_tenant in ("nonsense", "00000000-0000-0000-0000-000000000000"):
            assert 'name="tier"' not in root.get(f"{add}?tenant={not_a_tenant}").content.decode()
        form = root.get(f"{add}?tenant={cast.acme.pk}").content.decode()
        assert str(rows["acme"]["tier"].pk) in form
        assert str(rows["globex"]["tier"].pk) not in form
        body = {"tier": str(rows["globex"]["tier"].pk), "allowed_models": "", "denied_models": "", "preset": ""}
        assert root.post(f"{add}?tenant={cast.acme.pk}", body).status_code == 200
        body["tier"] = str(rows["acme"]["tier"].pk)
        assert root.post(f"{add}?tenant={cast.acme.pk}", {**body, "tenant": str(cast.globex.pk)}).status_code == 302
        with platform_scope():
            assert TierPolicy.objects.get().tenant == cast.acme

    def test_the_tenant_of_a_row_cannot_be_changed(self, root: Staff, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            rule = DomainRule.objects.create(domain="law", phrase="tort")
        body = {"domain": "law", "phrase": "tort law", "weight": "1", "is_enabled": "on", "tenant": str(cast.globex.pk)}
        assert root.post(page("cascade_domainrule_change", rule.pk), body).status_code == 302
        with platform_scope():
            rule.refresh_from_db()
        assert (rule.phrase, rule.tenant_id) == ("tort law", cast.acme.pk)

    def test_a_name_that_is_taken_is_told_in_the_form(self, root: Staff, cast: Cast) -> None:
        answer = root.post(f"{page('tenants_tier_add')}?tenant={cast.acme.pk}", {"name": "pro", "title": ""})
        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()

    def test_moving_a_connection_wipes_its_credential(self, root: Staff, cast: Cast, rows: Any) -> None:
        connection = rows["acme"]["connection"]
        change = page("cascade_providerconnection_change", connection.pk)
        assert root.post(change, {"name": "renamed", "provider": "simulated", "base_url": "", "is_active": "on"}).status_code == 302
        with tenant_scope(cast.acme.id):
            assert ProviderConnection.objects.get().credential
        bad = root.post(change, {"name": "renamed", "provider": "simulated", "base_url": "http://169.254.169.254/", "is_active": "on"})
        assert "not public" in bad.content.decode()
        assert root.post(change, {"name": "renamed", "provider": "openai", "base_url": "", "is_active": "on"}).status_code == 302
        with tenant_scope(cast.acme.id):
            assert not ProviderConnection.objects.get().credential

    def test_a_connection_can_be_added_without_a_credential(self, root: Staff, cast: Cast) -> None:
        body = {"name": "new", "provider": "openai", "base_url": "", "is_active": "on"}
        assert root.post(f"{page('cascade_providerconnection_add')}?tenant={cast.acme.pk}", body).status_code == 302
        with tenant_scope(cast.acme.id):
            assert not ProviderConnection.objects.get().credential


class TestListsAndLookups:
    def test_filters_by_a_related_row_list_one_tenants_rows_and_none_while_several_are_shown(self, root: Staff, cast: Cast, rf: Any) -> None:
        registered = admin.site.get_model_admin(EndUser)
        request = rf.get("/", {"tenant__id__exact": str(cast.acme.pk)})
        assert ("tier", TenantRelatedFilter) in registered.get_list_filter(request)
        offered = root.get(page("tenants_enduser_changelist"), {"tenant__id__exact": str(cast.acme.pk)}).content.decode()
        with platform_scope():
            tiers = {tier.pk: tier.tenant for tier in Tier.objects.select_related("tenant")}
        assert [tier for tier in tiers if f"tier__id__exact={tier}" in offered] == [tier for tier, of in tiers.items() if of == cast.acme]
        everybody = root.get(page("tenants_enduser_changelist")).content.decode()
        assert "tier__id__exact" not in everybody

    def test_suggestions_are_of_the_tenant_that_is_named_and_none_without_one(self, root: Staff, cast: Cast) -> None:
        asked = {"app_label": "tenants", "model_name": "enduser", "field_name": "tier", "term": "free"}
        address = reverse("admin:autocomplete")
        assert root.get(address, asked).json()["results"] == []
        (one,) = root.get(address, {**asked, "tenant": str(cast.acme.pk)}).json()["results"]
        with tenant_scope(cast.acme.id):
            assert one["id"] == str(Tier.objects.get(name="free").pk)

    @pytest.mark.parametrize("option", ["autocomplete_fields", "raw_id_fields"])
    def test_related_look_ups_carry_the_tenant(self, cast: Cast, rf: Any, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
        registered = admin.site.get_model_admin(CatalogModel)
        monkeypatch.setattr(registered, option, ["connection"])
        request = rf.get("/")
        request.user, request.form_tenant_id = cast.root, cast.acme.id
        with platform_scope():
            field = registered.formfield_for_dbfield(CatalogModel._meta.get_field("connection"), request)
            assert str(cast.acme.id) in field.widget.render("connection", None)

    def test_keys_are_revoked_from_the_list(self, root: Staff, cast: Cast) -> None:
        with tenant_scope(cast.acme.id):
            key = ApiKey.objects.order_by("id")[0]
        answer = root.post(page("tenants_apikey_changelist"), {"action": "revoke", "_selected_action": [str(key.pk)]})
        assert answer.status_code == 302
        with tenant_scope(cast.acme.id):
            key.refresh_from_db()
        assert key.revoked_at

    def test_tenants_and_budgets_are_never_deleted(self, root: Staff, cast: Cast) -> None:
        assert root.post(page("tenants_tenant_delete", cast.acme.pk), {"post": "yes"}).status_code == 403
        with tenant_scope(cast.acme.id):
            budget = Budget.objects.create(scope="tenant", period="daily", limit_nusd=5_000_000_000)
        assert root.post(page("billing_budget_delete", budget.pk), {"post": "yes"}).status_code == 403
        assert root.post(page("billing_budget_change", budget.pk), {"name": "all", "is_paused": "on", "limit_nusd": "1"}).status_code == 302
        with tenant_scope(cast.acme.id):
            budget.refresh_from_db()
        assert (budget.is_paused, budget.limit_nusd) == (True, 5_000_000_000)

    def test_people_are_added_with_a_password_that_is_never_shown(self, root: Staff, cast: Cast) -> None:
        body = {"email": "New@Example.com", "name": "New", "usable_password": "true", "password1": "a long enough one 1",
        "password2": "a long enough one 1"}
        assert root.post(page("tenants_user_add"), body).status_code == 302
        assert User.objects.get(email="new@example.com").check_password("a long enough one 1")
        member = {"user": str(cast.olga.pk), "role": "viewer"}
        assert root.post(f"{page('tenants_membership_add')}?tenant={cast.globex.pk}", member).status_code == 302
        with tenant_scope(cast.globex.id):
            assert Membership.objects.filter(user=cast.olga).exists()
        assert Tenant.objects.none().count() == 0


def _permissions(*codenames: str) -> Any:
    from django.contrib.auth.models import Permission

    return Permission.objects.filter(codename__in=codenames)
