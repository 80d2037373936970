"""What a provisioning file changes, what it leaves alone, and what it says of it."""

from datetime import timedelta

import pytest
from django.db import connection

from billing.models import Budget, ModelPrice
from billing.services import add_price
from cascade.engine.presets import preset_from_definition
from cascade.models import CatalogModel, DomainRule, EnforcementHook, PresetRollout, PresetVersion, ProviderConnection, TierPolicy
from cascade.provisioning import InvalidFile
from tenants.keys import new_key
from tenants.models import ApiKey, Membership, Tenant, Tier, User
from tenants.scoping import tenant_scope
from tenants.webhooks import new_webhook_secret
from tests.cascade.provisioned import MINIMAL, NOW, SECRETS, errors, example, rows, run
from tests.cast import Cast


def test_the_guides_example_is_provisioned_as_written(db: None) -> None:
    changes = run(example())
    assert "+ acme: tenant Acme Inc." in changes
    assert "+ acme: price of gpt-4o-mini: input 0.15, output 0.6 USD per million tokens" in changes
    assert "+ acme: budget each end user daily: 0.25 USD, degrade" in changes
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
    acme = Tenant.objects.get(slug="acme")
    assert (acme.time_zone, acme.default_tier) == ("Europe/Berlin", "free")
    with tenant_scope(acme.id):
        assert ProviderConnection.objects.get(name="openai").credential.reveal() == SECRETS["OPENAI_API_KEY"]
        mini = CatalogModel.objects.get(name="gpt-4o-mini")
        assert (mini.part, mini.upstream_name, mini.capabilities[-1]) == ("draft", "gpt-4o-mini-2024-07-18", "logprobs")
        price = ModelPrice.objects.get(model="gpt-4o-mini")
        assert (price.input_nusd, price.output_nusd, price.cached_input_nusd) == (150_000_000, 600_000_000, 75_000_000)
        assert ModelPrice.objects.get(model="llama").request_nusd == 100_000
        policy = TierPolicy.objects.get(tier__name="free")
        assert (policy.max_cost_nusd, policy.preset, policy.denied_models) == (10_000_000, "house", ["gpt-4o"])
        preset = preset_from_definition(PresetVersion.objects.get().definition, name="house", version="1")
        assert preset.steps_for("medical")[0].threshold == 0.8
        assert DomainRule.objects.get(phrase="insulin pump").weight == 2
        key = ApiKey.objects.get()
        assert Budget.objects.get(scope="api_key").subject == str(key.id)
        assert Membership.objects.get(user__email="olga@example.com").role == "owner"
        assert Tier.objects.count() == 2
    assert User.objects.get(email="olga@example.com").check_password(SECRETS["OLGA_PASSWORD"])
    assert not User.objects.get(email="finn@example.com").has_usable_password()


def test_the_same_file_again_changes_nothing(db: None) -> None:
    run(example())
    before = rows()
    assert run(example(), now=NOW + timedelta(days=1)) == []
    assert rows() == before


def test_a_dry_run_prints_the_changes_and_makes_none(db: None) -> None:
    before = rows()
    assert run(example(), dry_run=True) == run(example(), dry_run=True) != []
    assert rows() == before
    assert run(example(), dry_run=True) == run(example())


def test_a_changed_price_ends_the_open_version_and_begins_the_next(initech: Tenant) -> None:
    later = NOW + timedelta(hours=1)
    assert run(MINIMAL.replace('"0.15"', '"0.2"'), now=later) == ["~ initech: price of mini: input 0.15 -> 0.2 USD"]
    new, old = ModelPrice.objects.filter(model="mini").order_by("-valid_from")
    assert (old.valid_to, new.valid_from, new.valid_to) == (later, later, None)
    assert (old.input_nusd, new.input_nusd) == (150_000_000, 200_000_000)


def test_the_files_price_holds_until_one_that_was_announced_for_later(initech: Tenant) -> None:
    tomorrow = NOW + timedelta(days=1)
    add_price(price=ModelPrice(model="mini", input_nusd=1, output_nusd=1, source="announced", valid_from=tomorrow))
    assert run(MINIMAL) == []
    later = NOW + timedelta(hours=1)
    assert run(MINIMAL.replace('"0.15"', '"0.2"'), now=later) == ["~ initech: price of mini: input 0.15 -> 0.2 USD"]
    rows = [(row.input_nusd, row.valid_from, row.valid_to) for row in ModelPrice.objects.filter(model="mini").order_by("valid_from")]
    assert rows == [(150_000_000, NOW, later), (200_000_000, later, tomorrow), (1, tomorrow, None)]


def test_long_prompts_may_have_prices_of_their_own(initech: Tenant) -> None:
    long = 'long_after_tokens: 200000, long_input: "0.3", long_output: "0.9"'
    changes = run(MINIMAL.replace('input: "0.15"', f'input: "0.15", {long}'))
    assert changes == ["~ initech: price of mini: long_after_tokens none -> 200000, long_input none -> 0.3 USD, long_output none -> 0.9 USD"]
    (found,) = errors(MINIMAL.replace('input: "0.15"', 'input: "0.15", long_input: "0.3"'))
    assert found.endswith("price: prices for long prompts need long_after_tokens (more than 0), long_input and long_output")


def test_a_changed_preset_is_published_as_the_next_version(initech: Tenant) -> None:
    assert run(MINIMAL.replace("balanced", "strict")) == ["~ initech: preset house: version 2 published"]
    assert [version.number for version in PresetVersion.objects.all()] == [2, 1]
    assert run(MINIMAL.replace("balanced", "strict")) == []


def test_budgets_change_their_limit_and_their_action_in_place(initech: Tenant) -> None:
    assert run(MINIMAL.replace("limit: 5", "limit: 10")) == ["~ initech: budget tenant daily: limit 5 -> 10 USD"]
    assert run(MINIMAL.replace("limit: 5, action: block", "limit: 10, action: degrade")) == [
        "~ initech: budget tenant daily: action block -> degrade"
    ]
    assert Budget.objects.count() == 1


def test_a_part_moves_to_the_model_that_asks_for_it(initech: Tenant) -> None:
    changes = run(
        "tenants: [{slug: initech, providers: [{name: openai, provider: openai}], models: [{name: new, provider: openai, part: draft}]}]"
    )
    assert changes == ["~ initech: model mini: part draft -> none", "+ initech: model new"]
    assert CatalogModel.objects.get(part="draft").name == "new"


def test_what_is_left_out_stays_and_what_is_not_named_stays(initech: Tenant) -> None:
    CatalogModel.objects.filter(name="mini").update(context_tokens=64_000)
    assert run(MINIMAL) == run("tenants: [{slug: initech}]") == []


def test_a_changed_credential_is_stored_and_not_shown(initech: Tenant) -> None:
    assert run(MINIMAL, OPENAI_API_KEY="sk-another") == ["~ initech: provider openai: credential changed"]
    assert ProviderConnection.objects.get().credential.reveal() == "sk-another"


def test_a_credential_is_forgotten_when_its_address_changes(initech: Tenant) -> None:
    moved = 'tenants: [{slug: initech, providers: [{name: openai, provider: openai, base_url: "https://example.com/v1"}]}]'
    assert run(moved) == [
        "~ initech: provider openai: base_url none -> https://example.com/v1, its credential is forgotten: it was for the old address"
    ]
    assert not ProviderConnection.objects.get().credential


def test_every_connection_that_cannot_be_made_is_named_and_nothing_is_changed(initech: Tenant) -> None:
    text = MINIMAL.replace("initech", "hooli").replace("ACME_KEY", "OTHER_KEY").replace("OPENAI_API_KEY}]", """OPENAI_API_KEY},
      {name: inside, provider: vllm, base_url: "http://10.0.0.1/v1"}]""")
    before = rows()
    found = errors(text, OPENAI_API_KEY="two words", OTHER_KEY=new_key())
    assert [line.split(":")[:2] for line in found] == [["line 4", " provider openai"], ["line 5", " provider inside"]]
    assert rows() == before


def test_another_secret_under_a_keys_name_is_a_new_key_beside_the_old_one(initech: Tenant) -> None:
    new = new_key()
    (change,) = run(MINIMAL, ACME_KEY=new)
    assert change == f"+ initech: key backend (…{new[-4:]}); …{SECRETS['ACME_KEY'][-4:]} works on until you revoke it"
    assert ApiKey.objects.filter(revoked_at=None).count() == 2
    assert run(MINIMAL, ACME_KEY=new) == []


def test_a_person_who_is_there_keeps_password_and_gets_the_role(cast: Cast) -> None:
    text = f"tenants: [{{slug: {cast.acme.slug}, operators: [{{email: OLGA@example.com, role: owner, password_env: OLGA_PASSWORD}}]}}]"
    assert run(text) == ["~ acme: operator olga@example.com: role operator -> owner"]
    assert not User.objects.get(email="olga@example.com").check_password(SECRETS["OLGA_PASSWORD"])


def test_a_tenant_of_the_file_touches_no_other_tenant(cast: Cast) -> None:
    run(MINIMAL)
    with tenant_scope(cast.globex.id):
        assert not CatalogModel.objects.exists()


def test_a_preset_may_name_models_that_only_the_database_has(initech: Tenant) -> None:
    text = "tenants: [{slug: initech, presets: [{name: more, strategies: [{domain: general, steps: [{name: a, models: [large]}]}]}]}]"
    assert run(text) == ["+ initech: preset more, version 1"]


def test_how_far_a_preset_is_rolled_out_is_said_in_the_file_and_what_is_left_out_stays(initech: Tenant) -> None:
    def rollouts(*parts: str) -> str:
        return f"tenants: [{{slug: initech, rollouts: [{', '.join(parts)}]}}]"

    first = rollouts("{preset: house, share: 10, shadow: true}", "{preset: medical_ai, share: 0}")
    assert run(first) == [
        "~ initech: rollout of house: share 100 -> 10, shadow False -> True", "~ initech: rollout of medical_ai: share 100 -> 0",
    ]  # fmt: skip
    assert run(first) == []
    assert run(rollouts("{preset: house, share: 50}")) == ["~ initech: rollout of house: share 10 -> 50"]
    assert {row.preset: (row.share, row.shadow) for row in PresetRollout.objects.all()} == {"house": (50, True), "medical_ai": (0, False)}


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        ("{preset: hous, share: 5}", "preset 'hous' is neither in this file nor in the database: did you mean 'house'?"),
        ("{preset: house, share: 101}", "share: '101' is not a whole number from 0 to 100"),
        ("{preset: house, share: half}", "share: 'half' is not a whole number from 0 to 100"),
        ("{preset: house, shadow: true}", "rollout of house: With a share of 100 the cascade serves every call"),
        ("{preset: house}, {preset: house}", "rollout 'house' stands here twice"),
        ("{share: 5}", "rollouts: 'preset' is missing"),
    ],
)
def test_a_rollout_that_makes_no_sense_is_refused(initech: Tenant, rollout: str, expected: str) -> None:
    found = errors(f"tenants: [{{slug: initech, rollouts: [{rollout}]}}]")
    assert any(expected in problem for problem in found), found
    assert not PresetRollout.objects.exists()


def test_a_tiers_fallback_is_a_model_that_there_is(initech: Tenant) -> None:
    def tier(fallback: str) -> str:
        return f"tenants: [{{slug: initech, tiers: [{{name: free, policy: {{denied_models: [large], fallback: {fallback}}}}}]}}]"

    assert any("model 'minni' is neither in this file" in found for found in errors(tier("minni")))
    run(tier("mini"))
    assert TierPolicy.objects.get(tier__name="free").fallback == "mini"


HOOK = """
tenants:
  - slug: initech
    enforcement_hooks: [{name: policy, url: "https://initech.example/check", secret_env: POLICY_SECRET, timeout_ms: 500}]
"""


def test_an_enforcement_hook_is_made_changed_and_left_alone(initech: Tenant) -> None:
    assert run(HOOK) == ["+ initech: enforcement hook policy"]
    assert run(HOOK) == []
    assert run(HOOK.replace("500", "900")) == ["~ initech: enforcement hook policy: timeout_ms 500 -> 900"]
    other = new_webhook_secret()
    assert run(HOOK, POLICY_SECRET=other) == ["~ initech: enforcement hook policy: timeout_ms 900 -> 500, secret changed"]
    assert EnforcementHook.objects.get().secret.reveal() == other


@pytest.mark.parametrize(
    ("text", "secret", "message"),
    [
        (HOOK, "hunter2", "A signing secret reads whsec_"),
        (HOOK.replace("https://initech.example/check", "http://169.254.169.254/x"), None, "This address is not public"),
        (HOOK.replace("500", "5000"), None, "5000 is not between 50 and 2000 milliseconds"),
        (HOOK.replace("policy", "p o"), None, "Use 1 to 64 lower-case letters"),
    ],
)
def test_a_hook_that_cannot_be_asked_is_refused(initech: Tenant, text: str, secret: str | None, message: str) -> None:
    with pytest.raises(InvalidFile) as wrong:
        run(text, **({"POLICY_SECRET": secret} if secret else {}))
    assert message in str(wrong.value.problems[0])
    assert "hunter2" not in str(wrong.value.problems[0])
    assert not EnforcementHook.objects.exists()
