"""manage.py check_providers: a line a connection, what to do, and an exit code."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from cascade.models import CatalogModel
from tenants.scoping import tenant_scope
from tests.stage import Stage


def run(stage: Stage, *arguments: str) -> tuple[list[str], str]:
    out = io.StringIO()
    try:
        call_command("check_providers", "--tenant", stage.cast.acme.slug, *arguments, stdout=out)
    except CommandError as failed:
        return out.getvalue().splitlines(), str(failed)
    return out.getvalue().splitlines(), ""


def test_each_connection_has_a_line_and_those_that_do_not_work_say_what_to_do(live_cast: Stage) -> None:
    live_cast.add_models("up", {"cheapest": live_cast.upstream_name("steady")}, price=("0.01", "0.02"))
    live_cast.script(body={"error": {"message": "Incorrect API key provided: sk-of-acme."}}, status=401)
    lines, failed = run(live_cast)
    told = {line.split()[2]: line for line in lines}
    slug = live_cast.cast.acme.slug
    assert told["up"].startswith(f"{slug}: ok   up (openai, cheapest): answered in")
    assert "reports usage, cost 0.00000" in told["up"]
    assert told["simulated"].startswith(f"{slug}: ok   simulated (simulated, demo-mini): answered in")
    assert told["script"].startswith(f"{slug}: FAIL script (openai, scripted): reachable yes, key accepted NO, model known not known.")
    assert "Make a new key" in told["script"]
    assert "reachable NO" in told["nowhere"]
    assert failed == "2 of 4 connections do not work."
    assert "sk-of-acme" not in "".join(lines)
    entries = live_cast.entries()
    assert {entry.provider for entry in entries} == {"up", "simulated", "script", "nowhere"}
    assert {(tuple(entry.tags), entry.api_key_id) for entry in entries} == {(("provider-check",), None)}


def test_one_connection_can_be_named(live_cast: Stage) -> None:
    lines, failed = run(live_cast, "--connection", "simulated")
    assert (len(lines), failed) == (1, "")
    assert run(live_cast, "--connection", "sideways") == ([], "There is no connection called 'sideways'.")


def test_models_that_retire_soon_are_told_and_make_no_connection_fail(live_cast: Stage) -> None:
    day = (timezone.now() + timedelta(days=3)).date()
    with tenant_scope(live_cast.cast.acme.id):
        row = CatalogModel.objects.get(name="demo-large")
        row.retired_on = day
        row.save()
    lines, failed = run(live_cast, "--connection", "simulated")
    warning = f"'demo-large' retires on {day} and is left out from then on: name another model."
    assert (lines[1:], failed) == ([f"{live_cast.cast.acme.slug}: warn simulated: {warning}"], "")


def test_an_unknown_tenant_is_told_the_known_ones(live_cast: Stage) -> None:
    with pytest.raises(CommandError, match=r"no tenant is called 'initech'\. There are: "):
        call_command("check_providers", "--tenant", "initech")
