"""Why is this user blocked? The refusal names the calls that hold the money, and REST shows each of them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import openai
import pytest

from tests.live import answer
from tests.stage import Stage


def test_a_refusal_names_the_calls_that_hold_the_money_and_rest_shows_them(live_cast: Stage) -> None:
    budget = live_cast.add_budget("0.0009", name="Acme's day")
    gate = threading.Event()
    live_cast.script(body=answer(), gate=gate)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(live_cast.ask, "scripted", user="ann")
        live_cast.wait_until_held()
        with pytest.raises(openai.RateLimitError) as refused:
            live_cast.ask("steady")
        shown = seen(live_cast)
        gate.set()
        first.result()
    (named,) = refused.value.response.json()["cascadeflow"]["holds"]
    (hold,) = shown
    assert (named["run_id"], named["held"], named["model"]) == (hold["id"], hold["held"], "scripted")
    assert named["end_user_id"] == str(live_cast.cast.ann.pk)
    assert hold["state"] == "open"
    assert "A call in flight holds" in hold["explanation"]
    assert [(leg["model"], leg["may_be_sent"]) for leg in hold["legs"]] == [("scripted", True)]
    (window,) = hold["windows"]
    assert (window["budget_id"], window["budget"], window["limit"], window["held"]) == (str(budget.id), "Acme's day", "0.0009", hold["held"])
    assert seen(live_cast) == []
    (settled,) = seen(live_cast, state="settled")
    assert (settled["id"], settled["actual"]) == (hold["id"], "0.00000585")


def test_holds_are_found_by_end_user_budget_and_state(live_cast: Stage) -> None:
    budget = live_cast.add_budget("1")
    live_cast.ask(user="ann")
    live_cast.ask(user="ben")
    assert len(seen(live_cast, state="settled")) == 2
    assert len(seen(live_cast, state="settled", end_user="ann")) == 1
    assert len(seen(live_cast, state="settled", budget=str(budget.id))) == 2
    assert seen(live_cast, state="settled", budget=str(uuid4())) == []
    assert seen(live_cast, state="assumed") == []


def test_globex_sees_nothing_of_it(live_cast: Stage) -> None:
    live_cast.ask()
    (hold,) = seen(live_cast, state="settled")
    with live_cast.http(live_cast.cast.globex_admin_key) as globex:
        assert globex.get("/api/v1/holds/", params={"state": "settled"}).json()["results"] == []
        assert globex.get(f"/api/v1/holds/{hold['id']}/").status_code == 404
        assert globex.get("/api/v1/holds/", params={"state": "lost"}).status_code == 400


def seen(stage: Stage, **filters: str) -> list[dict[str, Any]]:
    with stage.http(stage.cast.acme_admin_key) as client:
        found: list[dict[str, Any]] = client.get("/api/v1/holds/", params=filters).json()["results"]
        return found
