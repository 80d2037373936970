import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing.models import Budget, ModelPrice
from billing.services import add_price
from cascade.engine.presets import preset_from_definition
from cascade.models import CatalogModel, DomainRule, EnforcementHook, PresetRollout, PresetVersion, ProviderConnection, TierPolicy
from cascade.provisioning import InvalidFile, provision
from tenants.keys import is_well_formed, new_key
from tenants.models import ApiKey, Membership, Tenant, Tier, User
from tenants.scoping import tenant_scope
from tenants.webhooks import new_webhook_secret
from tests.cast import Cast

GUIDE = Path(__file__).parents[2] / "docs/guides/provisioning.md"
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
SECRETS = {
    "OLGA_PASSWORD": "nine green violins sing", "OPENAI_API_KEY": "sk-very-secret-7531", "ACME_KEY": new_key(), "POLICY_SECRET": new_webhook_secret(),
}  # fmt: skip
MINIMAL = """
tenants:
  - slug: initech
    providers: [{name: openai, provider: openai, api_key_env: OPENAI_API_KEY}]
    models:
      - {name: mini, provider: openai, part: draft, price: {input: "0.15", output: "0.60"}}
      - {name: large, provider: openai, part: strong}
    presets: [{name: house, strategies: [{domain: general, steps: [{name: draft, models: ["@draft"], validator: balanced}]}]}]
    budgets: [{scope: tenant, period: daily, limit: 5, action: block}]
    keys: [{name: backend, key_env: ACME_KEY}]
"""


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    return found[1]


def run(text: str, *, now: datetime = NOW, dry_run: bool = False, **more: str) -> list[str]:
    return [str(change) for change in provision(text=text, environment={**SECRETS, **more}, now=now, dry_run=dry_run)]


def errors(text: str, **environment: str) -> list[str]:
    with pytest.raises(InvalidFile) as wrong:
        provision(text=text, environment=environment or SECRETS, now=NOW)
    return [str(problem) for problem in wrong.value.problems]


def rows() -> dict[str, int]:
    """How many rows each table has, as the database counts them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        counts = {}
        for table in connection.introspection.table_names(cursor):
            if table.split("_")[0] in ("tenants", "billing", "cascade"):
                cursor.execute(f'SELECT count(*) FROM "{table}"')
                counts[table] = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('app.platform', '', true)")
    return counts


@pytest.fixture
def initech(db: None) -> Iterator[Tenant]:
    run(MINIMAL)
    tenant = Tenant.objects.none()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        tenant = Tenant.objects.get(slug="initech")
    with tenant_scope(tenant.id):
        yield tenant


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


WRONG = """\
tenants:
  - slug: acme
    nmae: Acme
    time_zone: Europe/Berln
    default_tier: gold
    operators:
      - {email: nobody, role: boss, password_env: WEAK}
      - {email: olga@example.com, role: owner, password_env: UNSET_PASSWORD}
      - {email: finn@example.com, role: finance, password_env: WEAK}
    providers:
      - {name: openai, provider: opnai, base_url: "ftp://example.com", api_key_env: UNSET_KEY}
    models:
      - name: mini
        provider: openia
        part: draft
        price: {input: "0.1234567890123", output: much}
      - {name: large, provider: openai, part: draft, context_tokens: lots, capabilities: [tolls]}
      - {name: mini, provider: openai, price: {input: 1}}
      - {name: production_ready, provider: openai, price: {input: -1, output: 1e3}}
    tiers:
      - {name: gold plated, policy: {denied_models: [larg], preset: hose, max_cost: 0.5, max_steps: 0, min_quality: 2}}
    presets:
      - name: house
        baseline: "@stong"
        strategies:
          - domain: general
            steps:
              - {name: draft, models: ["@draft"], validator: lenient}
              - {name: escalate, models: [larger, nothing-like-it]}
      - {name: odd, strategies: [{domain: math, steps: [{name: draft, models: [large]}]}]}
      - {name: medical_ai, strategies: []}
    domain_rules: {domain: medical, phrase: x}
    budgets:
      - {scope: tenant, subject: ann, period: dayly, limit: 5 USD, action: block}
      - {scope: tier, period: daily, limit: 5, action: stop}
      - {scope: tier, subject: brass, period: daily, limit: 5, action: block}
      - {scope: api_key, subject: frontend, period: daily, limit: .5, action: block}
    keys:
      - {name: backend, key_env: BAD_KEY, scopes: [invok]}
      - {name: other, key_env: cfk_live_pasted_by_mistake}
      - {key_env: UNSET_KEY}
    keys: []
  - slug: acme
"""
EXPECTED = """\
line 3: unknown key 'nmae': did you mean 'name'?
line 4: time_zone: 'Europe/Berln' is not a time zone: write an IANA name such as "Europe/Berlin" or "UTC".
line 5: default_tier 'gold' is neither in this file nor in the database: known are enterprise, free, pro
line 7: email: Enter a valid email address.
line 7: role: 'boss' is not known: write one of developer, finance, operator, owner, viewer
line 8: password_env: the environment variable UNSET_PASSWORD is not set
line 9: password_env: the password in WEAK is too weak. This password is too short. It must contain at least 12 characters.
line 11: api_key_env: the environment variable UNSET_KEY is not set
line 11: base_url: the base URL must read https://host[:port]/path, without user, query or fragment
line 11: provider 'opnai' is not supported: did you mean 'openai'?
line 14: provider 'openia' is neither in this file nor in the database: did you mean 'openai'?
line 16: input: 0.1234567890123 has more than nine decimal places; the smallest amount is 0.000000001 USD
line 16: output: 'much' is not an amount in USD: write a plain decimal number, for example "0.15"
line 17: capabilities: 'tolls' is not known: did you mean 'tools'?
line 17: context_tokens: 'lots' is not a whole number from 0 to 2147483647
line 17: the part 'draft' stands here twice, first in line 13
line 18: model 'mini' stands here twice, first in line 13
line 18: price: 'output' is missing
line 19: input: '-1' is not an amount in USD: write a plain decimal number, for example "0.15"
line 19: model 'production_ready': a preset has this name, so callers could not tell them apart
line 19: output: '1e3' is not an amount in USD: write a plain decimal number, for example "0.15"
line 21: max_steps: must be at least 1
line 21: min_quality: 2 is not between 0 and 1
line 21: model 'larg' is neither in this file nor in the database: did you mean 'large'?
line 21: name: Use 1 to 64 lower-case letters, digits, '-' and '_'.
line 21: preset 'hose' is neither in this file nor in the database: did you mean 'house'?
line 24: model '@stong' is neither in this file nor in the database: did you mean '@strong'?
line 28: validator: 'lenient' is not known: write one of balanced, fast, strict
line 29: model 'larger' is neither in this file nor in the database: did you mean 'large'?
line 29: model 'nothing-like-it' is neither in this file nor in the database: known are @checker, @draft, @strong, large, mini, production_ready
line 30: Preset 'odd' needs a strategy for the domain 'general': it serves all domains without one.
line 31: Preset 'medical_ai' needs a strategy for the domain 'general': it serves all domains without one.
line 31: preset 'medical_ai' is built in and cannot be changed: give yours another name
line 32: domain_rules: must be a list
line 34: a budget of the scope tenant has no subject: it limits the whole tenant
line 34: limit: '5 USD' is not an amount in USD: write a plain decimal number, for example "0.15"
line 34: period: 'dayly' is not known: did you mean 'daily'?
line 35: a budget of the scope tier needs a subject: the tier's name
line 35: action: 'stop' is not known: write one of block, degrade, warn
line 36: tier 'brass' is neither in this file nor in the database: known are enterprise, free, pro
line 37: api_key 'frontend' is neither in this file nor in the database: known are backend, other
line 37: limit: '.5' is not an amount in USD: write a plain decimal number, for example "0.15"
line 39: key_env: BAD_KEY holds no well-formed key of ours: 'manage.py make_key' prints a new one
line 39: scopes: 'invok' is not known: did you mean 'invoke'?
line 40: key_env: is not the name of an environment variable; secrets never stand in the file, only the names of their variables
line 41: key_env: the environment variable UNSET_KEY is not set
line 41: keys: 'name' is missing
line 42: keys: stands here twice
line 43: tenant 'acme' stands here twice, first in line 2
"""


def test_every_error_is_found_with_its_line_and_nothing_is_changed(db: None) -> None:
    before = rows()
    found = errors(WRONG, WEAK="violins", BAD_KEY="cfk_live_" + "x" * 36)
    assert found == EXPECTED.splitlines()
    assert rows() == before


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "line 1: the file is empty: it needs 'tenants:' and below it at least one tenant"),
        ("tenants: []", "line 1: tenants: needs at least one tenant"),
        ("tenants:\n  - slug: a\n    name: [b", "line 3: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        ("tenants:\n\t- slug: a", "line 2: this is not YAML: found character '\\t' that cannot start any token"),
        ("tenants: [{slug: !!python/name:os.system x}]", "line 1: slug: tags such as tag:yaml.org,2002:python/name:os.system are not read"),
        ("tenants: [{slug: !env X}]", "line 1: slug: tags such as !env are not read"),
        ("tenants: [{slug: {a: b}}]", "line 1: slug: must be one value, not a mapping"),
        ("- tenants", "line 1: the file: must be keys with values"),
        ("tenants: &a [*a]", "line 1: tenants: must be keys with values"),
        ("tenants: [{slug: a\0}]", "line 1: this is not YAML: unacceptable character #x0000: special characters are not allowed"),
        ("[" * 5000, "line 1: this is not YAML: maximum recursion depth exceeded"),
    ],
)
def test_a_file_that_is_not_of_the_form_says_where(db: None, text: str, expected: str) -> None:
    assert any(found.startswith(expected) for found in errors(text)), errors(text)


def test_numbers_are_read_by_their_digits_and_never_as_floats(initech: Tenant) -> None:
    run(MINIMAL.replace('"0.15"', "0.123456789"), now=NOW + timedelta(hours=1))
    assert ModelPrice.objects.get(model="mini", valid_to=None).input_nusd == 123_456_789
    assert errors(MINIMAL.replace("limit: 5", "limit: 9000000000.00000000000000000001"))


def test_a_key_of_another_tenant_and_a_revoked_one_are_refused(initech: Tenant) -> None:
    other = MINIMAL.replace("initech", "hooli")
    assert any("belongs to another tenant" in found for found in errors(other))
    ApiKey.objects.update(expires_at=NOW)
    assert any("was revoked or has expired" in found for found in errors(MINIMAL))
    ApiKey.objects.update(expires_at=None, revoked_at=NOW)
    assert any("was revoked or has expired" in found for found in errors(MINIMAL))


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


def test_the_simulated_provider_is_refused_where_it_is_off(db: None, settings: object) -> None:
    text = "tenants: [{slug: a, providers: [{name: sim, provider: simulated}]}]"
    settings.SIMULATED_PROVIDER = False
    assert any("switched off here" in found for found in errors(text))
    settings.SIMULATED_PROVIDER = True
    assert run(text)[-1] == "+ a: provider sim"


def test_the_command_prints_changes_and_no_secret(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "acme.yaml").write_text(example())
    out = io.StringIO()
    call_command("provision", tmp_path / "acme.yaml", stdout=out)
    call_command("provision", tmp_path / "acme.yaml", "--dry-run", stdout=out)
    assert "+ acme: model gpt-4o-mini\n" in out.getvalue()
    assert out.getvalue().endswith("= nothing to change\n")
    assert not any(secret in out.getvalue() for secret in SECRETS.values())


def test_the_command_ends_with_2_for_a_wrong_file(db: None, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tenants:\n  - slug: acme\n    modles: []\n")
    with pytest.raises(CommandError) as wrong:
        call_command("provision", tmp_path / "bad.yaml")
    assert wrong.value.returncode == 2
    assert "bad.yaml: line 3: unknown key 'modles': did you mean 'models'?" in str(wrong.value)
    with pytest.raises(CommandError, match="cannot be read") as absent:
        call_command("provision", tmp_path / "absent.yaml")
    assert absent.value.returncode == 2


def test_make_key_prints_a_well_formed_key() -> None:
    out = io.StringIO()
    call_command("make_key", stdout=out)
    assert is_well_formed(out.getvalue().strip())


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
