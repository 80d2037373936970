"""Money's work outside requests: what is done, how often, and how long it may take."""

from datetime import datetime, timedelta

from django.conf import settings
from django.utils import timezone

from billing.alerting.delivering import deliver_alerts
from billing.anomalies import look_at_days, look_at_quality, look_at_quarters
from billing.exports.work import forget_old, write_waiting
from billing.forecasts import forecast_night
from billing.foresight import foresee
from billing.housekeeping import forget_full_rates, forget_old_alerts, forget_old_keys, prepare_partitions, sweep_now
from billing.jobs import job
from billing.price_import import compare_prices, read_bundled_map
from billing.quarters import forget_quarters, mend_quarters, sum_quarters
from billing.unused_keys import tell_unused_keys
from billing.watching import watch_ledger

HOUR = timedelta(hours=1)


@job(name="billing.sweep", every=timedelta(seconds=settings.SWEEP_SECONDS), limit_s=60)
def sweep_holds(_now: datetime) -> str:
    return f"closed {sweep_now()} holds"


@job(name="billing.sum_quarters", every=timedelta(minutes=1), limit_s=300)
def sum_quarters_of_the_hour(now: datetime) -> str:
    return f"{sum_quarters(now=now)} sums new or changed"


@job(name="billing.forecast", every=HOUR, limit_s=3000)
def forecast_of_the_night(now: datetime) -> str:
    return f"{forecast_night(now=now)} names forecast"


@job(name="billing.foresee", every=HOUR, limit_s=1800)
def foresee_budgets(now: datetime) -> str:
    return f"raised {foresee(now=now)} alerts"


@job(name="billing.look_at_quarters", every=timedelta(minutes=1), limit_s=300)
def look_at_the_quarter(now: datetime) -> str:
    return f"{look_at_quarters(now=now)} anomalies"


@job(name="billing.look_at_days", every=HOUR, limit_s=1800)
def look_at_yesterday(now: datetime) -> str:
    return f"{look_at_days(now=now)} anomalies"


@job(name="billing.look_at_quality", every=HOUR, limit_s=1800)
def look_at_the_drafts(now: datetime) -> str:
    return f"{look_at_quality(now=now)} anomalies"


@job(name="billing.deliver_alerts", every=timedelta(seconds=15), limit_s=120)
def deliver_waiting_alerts(_now: datetime) -> str:
    return f"{deliver_alerts(clock=timezone.now)} messages sent"


@job(name="billing.watch_ledger", every=timedelta(minutes=1), limit_s=120)
def watch_ledger_quickly(now: datetime) -> str:
    return f"{watch_ledger(now=now, is_whole=False)} tenants with a broken ledger"


@job(name="billing.watch_whole_ledger", every=6 * HOUR, limit_s=3000)
def watch_whole_ledger(now: datetime) -> str:
    return f"{watch_ledger(now=now, is_whole=True)} tenants with a broken ledger"


@job(name="billing.prepare_partitions", every=6 * HOUR, limit_s=120)
def prepare_coming_months(_now: datetime) -> str:
    return f"made {prepare_partitions()} partitions"


@job(name="billing.forget_keys", every=timedelta(minutes=10), limit_s=120)
def forget_idempotency_keys(_now: datetime) -> str:
    return f"forgot {forget_old_keys()} keys"


@job(name="billing.forget_rates", every=HOUR, limit_s=120)
def forget_rate_buckets(_now: datetime) -> str:
    return f"forgot {forget_full_rates()} buckets"


@job(name="billing.mend_quarters", every=24 * HOUR, limit_s=600)
def check_the_sums_of_quarters(now: datetime) -> str:
    return f"{mend_quarters(now=now)} sums mended"


@job(name="billing.compare_prices", every=24 * HOUR, limit_s=120)
def compare_prices_with_the_map(now: datetime) -> str:
    return compare_prices(read_bundled_map(), now=now)


@job(name="billing.tell_unused_keys", every=24 * HOUR, limit_s=600)
def tell_of_keys_that_nobody_uses(now: datetime) -> str:
    return f"raised {tell_unused_keys(now=now)} alerts"


@job(name="billing.forget_quarters", every=24 * HOUR, limit_s=600)
def forget_old_quarters(now: datetime) -> str:
    return f"forgot {forget_quarters(now=now)} sums"


@job(name="billing.forget_alerts", every=6 * HOUR, limit_s=300)
def forget_alerts_of_long_ago(now: datetime) -> str:
    return f"forgot {forget_old_alerts(now=now)} alerts"


@job(name="billing.write_exports", every=timedelta(seconds=10), limit_s=2 * 3600, lease_s=60)
def write_waiting_exports(_now: datetime) -> str:
    return f"wrote {write_waiting()} exports"


@job(name="billing.forget_exports", every=HOUR, limit_s=600)
def forget_old_exports(now: datetime) -> str:
    return f"deleted the files of {forget_old(now=now)} exports"
