"""The playground: a call of the one road, watched step by step, under a limit of its own."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from typing import Any

import httpx
import pytest

from billing.engine.money import to_nusd
from billing.models import Budget
from cascade.models import CascadeRun
from dashboards.templatetags.money import money_fine
from tenants.models import EndUser
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import logged_in, person_of, session_of
from tests.live import wait_until
from tests.stage import REJECT, Stage, step

PROMPT = "What is 17 + 25?"


class Player:
    """Somebody at the live site's playground."""

    def __init__(self, stage: Stage, role: str = "operator") -> None:
        self.stage, self.slug = stage, stage.cast.acme.slug
        cookies = {"sessionid": session_of(stage, role), "csrftoken": "a" * 32}
        self.browser = httpx.Client(base_url=f"{stage.site.url}/o/{self.slug}/playground/", cookies=cookies, timeout=60)

    def post(self, path: str, **asked: Any) -> httpx.Response:
        return self.browser.post(path, data={"csrfmiddlewaretoken": "a" * 32, "prompt": PROMPT, **asked})

    def run(self, **asked: Any) -> list[tuple[str, str]]:
        answer = self.post("run/", **asked)
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [(line["kind"], line["html"]) for line in map(json.loads, answer.text.splitlines())]


@pytest.fixture
def player(live_cast: Stage) -> Player:
    live_cast.add_preset("house", step("draft", "scripted", **REJECT), step("escalate", "scripted-strong"), baseline="scripted-strong")
    return Player(live_cast)


def cap_of(stage: Stage) -> Budget:
    with tenant_scope(stage.cast.acme.id):
        return Budget.objects.get(scope="tag", subject="playground")


def test_each_step_is_told_as_it_ends_and_the_answer_with_its_money(player: Player) -> None:
    told = player.run(model="house", user="ann")
    assert [kind for kind, _ in told] == ["held", "step", "step", "answer"]
    assert "rejected" in told[1][1]
    assert "accepted" in told[2][1]
    with tenant_scope(player.stage.cast.acme.id):
        run = CascadeRun.objects.get()
    assert (run.tags, run.preset, run.end_user_id) == (["playground"], "house", player.stage.cast.ann.id)
    assert (run.baseline_nusd, run.arm) == (None, ""), "nobody needed the answer: no saving is claimed for it"
    assert run.cost_nusd > 0
    for (_, html), facts in zip(told[1:3], run.steps, strict=True):
        assert money_fine(to_nusd(facts["cost"])) in html
    assert 'data-from="0"' in told[1][1]
    assert re.search('data-to="([0-9]+)"', told[1][1])[1] == re.search('data-from="([0-9]+)"', told[2][1])[1]  # type: ignore[index]
    assert f"/o/{player.slug}/runs/{run.pk}/" in told[3][1]
    assert PROMPT in told[3][1], "the same call in code"


def test_the_code_says_tier_and_domain_as_the_shown_call_did(player: Player) -> None:
    html = unescape(player.post("way/", model="house", tier="pro", domain="code", user="ann").text)
    for said in (
        "-H 'x-cascadeflow-tier: pro'", "-H 'x-cascadeflow-domain: code'",
        "extra_headers={'x-cascadeflow-tier': 'pro', 'x-cascadeflow-domain': 'code'}",
        '{ headers: {"x-cascadeflow-tier": "pro", "x-cascadeflow-domain": "code"} }',
    ):
        assert said in html
    assert "x-cascadeflow" not in player.post("way/", model="house").text
    headers = {"x-cascadeflow-tier": "pro", "x-cascadeflow-domain": "code"}
    told = player.stage.ask("house", extra_headers=headers).cascadeflow
    assert (told["user_tier"], told["domain_detected"]) == ("pro", "code")


def test_the_first_run_sets_a_limit_and_beyond_it_a_run_is_refused(player: Player) -> None:
    player.run(model="house")
    budget = cap_of(player.stage)
    assert (budget.limit_nusd, budget.action, budget.period) == (10**9, "block", "daily")
    assert "of $1.00 of the" in player.browser.get("").text
    with tenant_scope(player.stage.cast.acme.id):
        Budget.objects.filter(pk=budget.pk).update(limit_nusd=0)
    (kind, html), = player.run(model="house")
    assert kind == "refused"
    assert "budget" in html


def test_what_is_wrong_with_a_call_is_said_and_nothing_is_spent(player: Player) -> None:
    assert player.post("run/", model="nobody").status_code == 422
    assert player.post("run/", model="house", prompt="").status_code == 422
    assert player.post("run/", model="house", max_tokens="many").status_code == 422
    player.stage.script(status=500, body={"error": {"message": "made to fail"}})
    player.stage.script("scripted-strong", status=400, body={"error": {"message": "made to fail"}})
    assert [kind for kind, _ in player.run(model="house")][-1] == "refused"
    assert {entry.amount_nusd for entry in player.stage.entries()} == {0}


def test_a_trial_starts_no_shadow_and_a_call_does(player: Player) -> None:
    stage = player.stage
    stage.roll_out("house", share=0, shadow=True)
    player.run(model="house")
    served = stage.ask("house").cascadeflow["run_id"]
    stage.wait_until_closed(holds=3)
    with tenant_scope(stage.cast.acme.id):
        wait_until(lambda: CascadeRun.objects.filter(arm="shadow").exists(), what=stage.site.log)
        assert [str(shadow.shadow_of) for shadow in CascadeRun.objects.filter(arm="shadow")] == [served]
        assert len(stage.holds()) == 3


def test_a_trial_as_another_tier_moves_nobody_to_it(player: Player) -> None:
    player.run(model="house", user="ann", tier="pro")
    with tenant_scope(player.stage.cast.acme.id):
        assert CascadeRun.objects.get().tier == "pro"
        assert EndUser.objects.get(pk=player.stage.cast.ann.id).tier.name == "free"  # type: ignore[union-attr]


def test_the_way_is_shown_without_a_call(player: Player) -> None:
    page = player.post("way/", model="house")
    assert page.status_code == 200
    assert "scripted → scripted-strong" in " ".join(page.text.split()).replace("<b>", "").replace("</b>", "").replace("  ", " ")
    assert player.stage.holds() == []


def test_a_form_of_another_page_starts_nothing(player: Player) -> None:
    answer = player.browser.post("run/", data={"prompt": PROMPT, "model": "house"})
    assert answer.status_code == 403
    assert player.stage.holds() == []


@pytest.mark.parametrize(("role", "status"), [("finance", 403), ("viewer", 403), ("developer", 200)])
def test_who_may_not_spend_may_not_play(cast: Cast, role: str, status: int) -> None:
    assert logged_in(person_of(cast, role)).get("/o/acme/playground/").status_code == status


def test_two_first_runs_side_by_side_set_one_limit(player: Player) -> None:
    with ThreadPoolExecutor(2) as both:
        told = list(both.map(lambda model: player.run(model=model), ("house", "scripted")))
    assert [lines[-1][0] for lines in told] == ["answer", "answer"]
    assert cap_of(player.stage).limit_nusd == 10**9
