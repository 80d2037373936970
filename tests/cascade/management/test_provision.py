"""The commands around provisioning files."""

import io
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tenants.keys import is_well_formed
from tests.cascade.provisioned import SECRETS, example


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
