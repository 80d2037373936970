"""What goes wrong with answers becomes an alert, and so does that it is over: on a site that really runs."""

from datetime import timedelta

from django.utils import timezone

from billing.engine.money import to_nusd
from billing.models import Alert, ModelPrice
from cascade.alarms import LEAST_FAILURES, watch_prices, watch_providers, watch_tenants
from cascade.models import ProviderConnection
from tenants.scoping import tenant_scope
from tests.live import wait_until
from tests.stage import Stage


def alerts(stage: Stage) -> list[tuple[str, str, str]]:
    with tenant_scope(stage.cast.acme.id):
        return [(alert.kind, alert.subject, alert.state) for alert in Alert.objects.order_by("raised_at")]


def look(stage: Stage) -> int:
    with tenant_scope(stage.cast.acme.id):
        return watch_providers(now=timezone.now()) + watch_prices(now=timezone.now())


class TestProviders:
    def test_one_that_fails_is_told_once_and_so_is_that_it_answers_again(self, live_cast: Stage) -> None:
        for _ in range(2):
            live_cast.refused("fault-500")  # three tries each
        live_cast.wait_until_closed(holds=2)
        assert look(live_cast) == 1
        assert look(live_cast) == 0
        assert alerts(live_cast) == [("provider_down", "up", "open")]
        with tenant_scope(live_cast.cast.acme.id):
            event = Alert.objects.get().event
            assert (event.failures, event.calls) == (6, 6)  # type: ignore[attr-defined]
        for number in range(20):
            live_cast.ask("steady")
            if number == 6:  # 6 of 13 fail: no outage any more, but no calm either
                assert (look(live_cast), alerts(live_cast)[0][2]) == (0, "open")
        assert look(live_cast) == 0
        assert alerts(live_cast) == [("provider_down", "up", "resolved")]

    def test_a_bad_call_is_no_outage_and_refused_requests_are_none_at_all(self, live_cast: Stage) -> None:
        assert LEAST_FAILURES > 3
        live_cast.refused("fault-500")
        live_cast.wait_until_closed()
        assert look(live_cast) == 0
        live_cast.script(status=400, body={"error": {"message": "no"}})
        for _ in range(LEAST_FAILURES + 1):
            live_cast.refused("scripted")
        live_cast.wait_until_closed(holds=LEAST_FAILURES + 2)
        assert look(live_cast) == 0
        assert alerts(live_cast) == []

    def test_silence_alone_does_not_end_it_and_switching_the_connection_off_does(self, live_cast: Stage) -> None:
        for _ in range(2):
            live_cast.refused("fault-500")
        live_cast.wait_until_closed(holds=2)
        look(live_cast)
        with tenant_scope(live_cast.cast.acme.id):
            watch_providers(now=timezone.now() + timedelta(hours=1))
            assert Alert.objects.get().state == "open"
            ProviderConnection.objects.filter(name="up").update(is_active=False)
            watch_providers(now=timezone.now() + timedelta(hours=1))
            assert Alert.objects.get().state == "resolved"


class TestPrices:
    def test_a_model_that_is_booked_at_nothing_is_told_until_it_has_a_price(self, live_cast: Stage) -> None:
        live_cast.add_models("up", {"new": live_cast.upstream_name("new")}, price=None)
        for _ in range(2):
            live_cast.ask("new")
        assert look(live_cast) == 1
        assert look(live_cast) == 0
        with tenant_scope(live_cast.cast.acme.id):
            alert = Alert.objects.get()
            assert (alert.kind, alert.subject, alert.facts["booked"]) == ("unpriced_model", "up/new", 2)
            ModelPrice.objects.create(model="new", source="test", input_nusd=to_nusd("1"), output_nusd=to_nusd("2"))
        assert look(live_cast) == 0
        assert alerts(live_cast) == [("unpriced_model", "up/new", "resolved")]

    def test_a_model_whose_calls_a_budget_refuses_is_told_at_once(self, live_cast: Stage) -> None:
        live_cast.add_models("up", {"new": live_cast.upstream_name("new")}, price=None)
        live_cast.add_budget("1")
        for _ in range(2):
            assert live_cast.refused("new").code == "unpriced"
        wait_until(lambda: alerts(live_cast) == [("unpriced_model", "up/new", "open")], what=live_cast.site.log)
        with tenant_scope(live_cast.cast.acme.id):
            assert Alert.objects.get().facts["booked"] == 0

    def test_a_self_hosted_model_at_a_price_of_nothing_is_none(self, live_cast: Stage) -> None:
        live_cast.add_models("up", {"ours": live_cast.upstream_name("ours")}, price=("0", "0"))
        live_cast.ask("ours")
        assert look(live_cast) == 0
        assert alerts(live_cast) == []


def test_the_task_looks_at_every_tenant(live_cast: Stage) -> None:
    for _ in range(2):
        live_cast.refused("fault-500")
    live_cast.wait_until_closed(holds=2)
    assert watch_tenants(now=timezone.now()) >= 1
    assert alerts(live_cast) == [("provider_down", "up", "open")]
