import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from billing.models import Budget, ModelPrice
from cascade.engine.providers.registry import SUPPORTED_PROVIDERS
from cascade.models import CatalogModel, ProviderConnection, TierPolicy
from tenants.keys import digest_of
from tenants.models import ApiKey, Tenant, User
from tenants.scoping import platform_scope, tenant_scope

VARIABLES = [spec.key_variable for spec in SUPPORTED_PROVIDERS.values() if spec.key_variable]


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*VARIABLES, "OLLAMA_BASE_URL", "VLLM_BASE_URL"]:
        monkeypatch.delenv(name, raising=False)


def demo(folder: Path, url: str = "http://127.0.0.1:8000") -> tuple[dict[str, Any], str]:
    out = io.StringIO()
    call_command("demo", f"--url={url}", f"--file={folder / 'demo.json'}", stdout=out)
    return json.loads((folder / "demo.json").read_text()), out.getvalue()


def tenant() -> Tenant:
    with platform_scope():
        return Tenant.objects.get(slug="demo")


def parts() -> dict[str, str]:
    with tenant_scope(tenant().id):
        return {model.part: model.name for model in CatalogModel.objects.all() if model.part}


def test_without_keys_the_demo_runs_on_the_simulated_provider(db: None, tmp_path: Path) -> None:
    told, _ = demo(tmp_path, url="http://127.0.0.1:8123/")
    assert (told["url"], told["console_url"]) == ("http://127.0.0.1:8123", "http://127.0.0.1:8123/o/demo/")
    assert told["simulated"] is True
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    assert User.objects.get(email=told["email"]).check_password(told["password"])
    assert parts() == {"draft": "demo-mini", "strong": "demo-large"}
    with tenant_scope(tenant().id):
        assert bytes(ApiKey.objects.get().digest) == digest_of(told["api_key"], pepper=settings.API_KEY_PEPPER)
        assert set(ApiKey.objects.get().scopes) == {"invoke", "read", "admin"}
        assert ModelPrice.objects.get(model="demo-mini").input_nusd == 150_000_000
        assert {(row.scope, row.period, row.action, row.limit_nusd) for row in Budget.objects.all()} == {
            ("tenant", "daily", "block", 5_000_000_000), ("tenant", "monthly", "warn", 50_000_000_000),
            ("end_user", "daily", "degrade", 250_000_000),
        }  # fmt: skip
        assert {policy.tier.name for policy in TierPolicy.objects.select_related("tier")} == {"free", "pro", "enterprise"}


def test_again_nothing_changes_and_the_secrets_stay(db: None, tmp_path: Path) -> None:
    first, _ = demo(tmp_path)
    written = (tmp_path / "demo.json").stat().st_mtime_ns
    assert demo(tmp_path) == (first, "")
    assert (tmp_path / "demo.json").stat().st_mtime_ns == written
    moved, _ = demo(tmp_path, url="http://127.0.0.1:9999")
    assert {**first, "url": moved["url"], "console_url": moved["console_url"]} == moved


def test_a_lost_file_gets_secrets_that_work(db: None, tmp_path: Path) -> None:
    first, _ = demo(tmp_path)
    (tmp_path / "demo.json").write_text("{ damaged")
    second, _ = demo(tmp_path)
    assert second["password"] != first["password"]
    assert User.objects.get(email=second["email"]).check_password(second["password"])


def test_keys_in_the_environment_bring_their_providers_and_the_first_plays_the_parts(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo(tmp_path)
    monkeypatch.setenv("GROQ_API_KEY", "gsk-secret-of-groq")
    monkeypatch.setenv("VLLM_BASE_URL", "http://127.0.0.1:9100/v1")
    told, printed = demo(tmp_path)
    assert (told["simulated"], told["provider"]) == (False, "Groq, vLLM")
    assert "gsk-secret" not in printed + json.dumps(told)
    assert parts() == {"draft": "openai/gpt-oss-20b", "strong": "openai/gpt-oss-120b"}
    with tenant_scope(tenant().id):
        assert ProviderConnection.objects.get(name="groq").credential.reveal() == "gsk-secret-of-groq"
        assert ProviderConnection.objects.get(name="vllm").base_url == "http://127.0.0.1:9100/v1"
        names = {model.name for model in CatalogModel.objects.filter(connection__name="vllm")}
        assert names == {"vllm/openai/gpt-oss-20b", "vllm/openai/gpt-oss-120b"}
        assert ModelPrice.objects.get(model="openai/gpt-oss-20b").cached_input_nusd == 37_500_000
    assert demo(tmp_path) == (told, "")
    monkeypatch.delenv("GROQ_API_KEY")
    monkeypatch.delenv("VLLM_BASE_URL")
    assert demo(tmp_path)[0]["simulated"] is True
    assert parts() == {"draft": "demo-mini", "strong": "demo-large"}


@pytest.mark.parametrize("spec", SUPPORTED_PROVIDERS.values(), ids=lambda spec: spec.slug)
def test_every_supported_provider_can_be_the_demos(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: Any) -> None:
    variable = spec.key_variable or f"{spec.slug.upper()}_BASE_URL"
    monkeypatch.setenv(variable, "a-key-for-tests" if spec.key_variable else "http://127.0.0.1:9100/v1")
    told, _ = demo(tmp_path)
    assert told["provider"] == spec.title
    assert parts() == {"draft": spec.default_draft_model.name, "strong": spec.default_strong_model.name}
