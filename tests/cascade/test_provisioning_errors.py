"""A wrong file: every error with its line and what to write instead, and nothing is changed."""

from datetime import timedelta

import pytest

from billing.models import ModelPrice
from tenants.models import ApiKey, Tenant
from tests.cascade.provisioned import MINIMAL, NOW, errors, rows, run

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


def test_the_simulated_provider_is_refused_where_it_is_off(db: None, settings: object) -> None:
    text = "tenants: [{slug: a, providers: [{name: sim, provider: simulated}]}]"
    settings.SIMULATED_PROVIDER = False
    assert any("switched off here" in found for found in errors(text))
    settings.SIMULATED_PROVIDER = True
    assert run(text)[-1] == "+ a: provider sim"
