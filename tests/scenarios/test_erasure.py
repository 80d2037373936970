"""An end user is erased: nothing says who it was, the money stays, and coming back resets no budget."""

import io

import psycopg
import pytest
from django.core.management import CommandError, call_command

from tenants.models import EndUser, Erasure, Scope
from tenants.scoping import tenant_scope
from tests import database
from tests.cast import make_key
from tests.live import wait_until
from tests.rest import Rest
from tests.stage import Stage, breaks

CANARY = "canary-7f3a-jane@example.com"


def admin_of(stage: Stage) -> Rest:
    with tenant_scope(stage.cast.acme.id):
        return Rest(make_key(Scope.READ, Scope.ADMIN))


def mentions(text: str) -> list[str]:
    """Every table whose rows hold the text, in whatever column: cast to text, each row shows all of itself."""
    found = []
    with psycopg.connect(database.superuser_dsn(), autocommit=True) as superuser:
        tables = superuser.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            row = superuser.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s'.encode(), [f"%{text}%"]).fetchone()
            if row and row[0]:
                found.append(table)
    return sorted(found)


def spend(stage: Stage) -> int:
    return sum(entry.amount_nusd for entry in stage.entries())


def erase(stage: Stage) -> str:
    with tenant_scope(stage.cast.acme.id):
        identity = str(EndUser.objects.get(external_id=CANARY).pk)
    reply = admin_of(stage).delete(f"end-users/{identity}/")
    assert reply.status_code == 204, reply.content
    return identity


def test_the_name_is_found_nowhere_and_the_money_everywhere(live_cast: Stage) -> None:
    live_cast.add_budget("1", scope="end_user", subject=CANARY, name=f"of {CANARY}")
    for number in range(3):
        assert live_cast.post(user=CANARY, headers={"Idempotency-Key": f"order-{number}"}).status_code == 200
    live_cast.wait_until_closed(holds=3)
    before = spend(live_cast)
    assert "tenants_enduser" in mentions(CANARY)
    identity = erase(live_cast)
    wait_until(lambda: not mentions(CANARY), what=lambda: str(mentions(CANARY)))
    assert spend(live_cast) == before > 0
    assert {str(entry.end_user_id) for entry in live_cast.entries()} == {identity}
    assert CANARY not in live_cast.site.log()
    with tenant_scope(live_cast.cast.acme.id):
        assert str(Erasure.objects.get().end_user_id) == identity
    assert breaks() == set()


@pytest.mark.parametrize("subject", [CANARY, ""], ids=["their own budget", "everybody's budget"])
def test_coming_back_under_the_same_name_resets_no_budget(live_cast: Stage, subject: str) -> None:
    live_cast.add_budget("0.0005", scope="end_user", subject=subject)
    while live_cast.post(user=CANARY, max_tokens=64).status_code == 200:
        pass
    live_cast.wait_until_closed()
    erase(live_cast)
    again = live_cast.post(user=CANARY, max_tokens=64)
    assert again.status_code == 402, again.text
    assert live_cast.post(user="walt", max_tokens=64).status_code == 200
    assert breaks() == set()


def test_what_is_stored_of_a_person_can_be_had(live_cast: Stage) -> None:
    live_cast.add_budget("1", scope="end_user", subject=CANARY)
    run_id = live_cast.post(user=CANARY).headers["x-cascadeflow-run-id"]
    live_cast.run(run_id)
    with tenant_scope(live_cast.cast.acme.id):
        identity = EndUser.objects.get(external_id=CANARY).pk
    told = admin_of(live_cast).get(f"end-users/{identity}/data/").json()
    assert told["end_user"]["external_id"] == CANARY
    assert [run["id"] for run in told["runs"]] == [run_id]
    assert [entry["amount"] for entry in told["cost_entries"]] != []
    assert len(told["budgets"]) == len(told["windows"]) == 1
    assert told["is_complete"] is True


def test_globex_can_neither_read_nor_erase_acmes_people(live_cast: Stage) -> None:
    live_cast.post(user=CANARY)
    with tenant_scope(live_cast.cast.acme.id):
        identity = EndUser.objects.get(external_id=CANARY).pk
    with tenant_scope(live_cast.cast.globex.id):
        stranger = Rest(make_key(Scope.READ, Scope.ADMIN))
    assert stranger.delete(f"end-users/{identity}/").status_code == 404
    assert stranger.get(f"end-users/{identity}/data/").status_code == 404
    assert "tenants_enduser" in mentions(CANARY)


def test_the_command_erases_and_says_under_which_id_the_money_stays(live_cast: Stage) -> None:
    live_cast.post(user=CANARY)
    live_cast.wait_until_closed()
    out = io.StringIO()
    call_command("forget_end_user", "--tenant", live_cast.cast.acme.slug, "--user", CANARY, stdout=out)
    assert str(live_cast.entries()[0].end_user_id) in out.getvalue()
    with tenant_scope(live_cast.cast.acme.id):
        assert not EndUser.objects.filter(external_id=CANARY).exists()
    with pytest.raises(CommandError, match="no tenant is called 'nobody'"):
        call_command("forget_end_user", "--tenant", "nobody", "--user", CANARY)
