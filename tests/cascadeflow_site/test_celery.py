"""What runs when: every task of the schedule is one that the worker knows."""

from cascadeflow_site.celery import app


def test_every_scheduled_task_exists_and_every_sweep_is_scheduled() -> None:
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if not name.startswith(("celery.", "tests."))}
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert scheduled == ours
    assert {"billing.deliver_alerts", "billing.watch_ledger", "cascade.watch_tenants"} <= scheduled
