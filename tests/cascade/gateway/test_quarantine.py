"""A model that billed beyond its bound is set aside from budgets that block, until somebody has looked."""

import pytest

from billing.models import QuarantinedModel
from tenants.models import Scope
from tenants.scoping import tenant_scope
from tests.cast import make_key
from tests.live import answer, wait_until
from tests.rest import Rest
from tests.stage import Stage


@pytest.fixture
def admin(live_cast: Stage) -> Rest:
    with tenant_scope(live_cast.cast.acme.id):
        return Rest(make_key(Scope.READ, Scope.ADMIN))


def set_aside(stage: Stage) -> str:
    """Have the scripted model bill a million tokens for a call of a few; return the id of its quarantine."""
    stage.script(body=answer(usage=(11, 1_000_000)))
    assert stage.post(model="scripted").status_code == 200
    stage.script(body=answer())
    with tenant_scope(stage.cast.acme.id):
        return str(QuarantinedModel.objects.get().pk)


def test_it_is_refused_by_name_until_it_is_cleared(live_cast: Stage, admin: Rest) -> None:
    live_cast.add_budget("100")
    identity = set_aside(live_cast)
    wait_until(lambda: live_cast.post(model="scripted").status_code == 402)
    assert "scripted" in live_cast.post(model="scripted").json()["error"]["message"]
    assert live_cast.post(model="steady").status_code == 200
    (row,) = admin.get("quarantined-models/?is_set_aside=true").json()["results"]
    assert (row["id"], row["model"], row["cleared_at"]) == (identity, "scripted", None)
    assert "more than the bound" in row["reason"]
    cleared = admin.send("post", f"quarantined-models/{identity}/clear/").json()
    assert cleared["cleared_by"].startswith("API key ")
    wait_until(lambda: live_cast.post(model="scripted").status_code == 200)
    assert admin.get("quarantined-models/?is_set_aside=true").json()["results"] == []
    assert admin.send("post", f"quarantined-models/{identity}/clear/").status_code == 409


def test_strangers_and_readers_clear_nothing(live_cast: Stage) -> None:
    live_cast.add_budget("100")
    identity = set_aside(live_cast)
    with tenant_scope(live_cast.cast.globex.id):
        stranger = Rest(make_key(Scope.READ, Scope.ADMIN))
    with tenant_scope(live_cast.cast.acme.id):
        reader = Rest(make_key(Scope.READ))
    assert stranger.send("post", f"quarantined-models/{identity}/clear/").status_code == 404
    assert reader.send("post", f"quarantined-models/{identity}/clear/").status_code == 403
    with tenant_scope(live_cast.cast.acme.id):
        assert QuarantinedModel.objects.get().cleared_at is None
