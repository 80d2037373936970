"""`make shots`: a picture of every screen of the console, light, dark and as on a phone, in var/shots. Uses the companies of `make demo-data`."""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import django

from bench.site import serving

CHROMIUM = "/usr/bin/chromium"
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
WAYS: Mapping[str, tuple[str, dict[str, int]]] = {"light": ("light", DESKTOP), "dark": ("dark", DESKTOP), "phone": ("light", PHONE)}
TENANT, PERSON = "acme", "maria@acme.example"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of screens that contain this")
    given = parser.parse_args()
    if not Path(CHROMIUM).exists():
        sys.exit(f"{CHROMIUM} is missing: sh requirements/debian.sh installs it.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cascadeflow_site.settings")
    os.environ["HTTPS"] = "off"
    from cascadeflow_site import embedded

    if embedded.is_wanted():
        embedded.start()
    django.setup()
    folder = embedded.VAR / "shots"
    folder.mkdir(parents=True, exist_ok=True)
    session, wanted = session_of(PERSON), [(name, path) for name, path in screens() if given.only in name]
    served = folder / "server"
    served.mkdir(exist_ok=True)
    with serving("cascadeflow_site.asgi:application", workers=1, environment=dict(os.environ), folder=served, path="/healthz") as url:
        shoot(url, session, folder, wanted)
    shutil.rmtree(served)
    print(f"The pictures are in {folder}.")


def shoot(url: str, session: str, folder: Path, wanted: Sequence[tuple[str, str]]) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for way, (theme, size) in WAYS.items():
            context = browser.new_context(viewport=size, reduced_motion="reduce", locale="en-GB")  # type: ignore[arg-type]
            cookies: list[Any] = [{"name": name, "value": value, "url": url} for name, value in (("sessionid", session), ("theme", theme))]
            context.add_cookies(cookies)
            page = context.new_page()
            for name, path in wanted:
                page.goto(f"{url}/o/{TENANT}/{path}")
                for number, chart in enumerate(page.locator("[data-figure]").all()):
                    chart.scroll_into_view_if_needed()
                    page.locator("[data-drawn]").nth(number).wait_for()
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}_{way}.png", full_page=True)
        browser.close()


def screens() -> Iterator[tuple[str, str]]:
    """Each screen by name, with its address under the tenant's."""
    from billing.models import Anomaly, Budget
    from cascade.models import CascadeRun
    from tenants.models import EndUser, Tenant
    from tenants.scoping import platform_scope

    with platform_scope():
        tenant = Tenant.objects.get(slug=TENANT)
        budget = Budget.objects.filter(tenant=tenant, scope="tenant").first()
        user = EndUser.objects.filter(tenant=tenant).first()
        run = CascadeRun.objects.filter(tenant=tenant, draft_accepted=False).first()
        anomaly = Anomaly.objects.filter(tenant=tenant).order_by("-excess_nusd").first()
    assert budget is not None
    assert run is not None
    assert user is not None
    if anomaly is not None:  # where the worker has found one meanwhile
        yield "anomaly", f"anomalies/{anomaly.pk}/"
    yield from (
        ("overview", ""), ("overview_24h", "?range=24h&group=tier"), ("costs", "costs/?range=28d&group=model&compare=previous"),
        ("costs_sub", "costs/?group=domain&sub=tier&f=tier:pro&range=90d"), ("costs_accepted", "costs/?range=28d&metric=accepted&group=domain"),
        ("runs", "runs/"), ("run", f"runs/{run.pk}/"), ("run_ledger", f"runs/{run.pk}/?tab=ledger"), ("budgets", "budgets/"),
        ("budgets_panel", f"budgets/?sel={budget.pk}"), ("budgets_new", "budgets/new/?scope=tier&tier=pro&limit=0.05&period=daily&action=degrade"),
        ("budgets_import", "budgets/import/"), ("start", "start/"), ("users", "users/"), ("users_panel", f"users/?sel={user.pk}"),
        ("playground", "playground/"), ("keys", "keys/"), ("models", "models/"), ("providers", "providers/"), ("tiers", "tiers/"),
        ("presets", "presets/"), ("preset", "presets/production_ready/"), ("rules", "rules/"),
        ("anomalies", "anomalies/"), ("alerts", "alerts/"), ("alerts_new", "alerts/new/"), ("alerts_rule", "alerts/rules/new/"),
        ("deliveries", "alerts/deliveries/"), ("audit", "audit/"), ("reports", "reports/"),
        ("reports_chargeback", "reports/read/?report=chargeback&by=tier"), ("months", "reports/months/"),
        ("schedules", "reports/schedules/"), ("schedules_new", "reports/schedules/new/"),
        ("reconciliations", "reports/reconciliations/"), ("views", "views/?page=costs&query=group%3Dmodel"),
        ("settings", "settings/"), ("members", "members/"),
        ("savings", "savings/?range=28d"), ("what_if", "what-if/"),
        ("what_if_answer", "what-if/?replay=1&days=7&thresholds-0-score=0.8&budgets-0-scope=tier&budgets-0-whom=free&budgets-0-limit=0.002"
         "&budgets-0-period=daily&budgets-0-action=degrade"),
        ("nothing", "runs/?domain=nowhere"), ("not_found", "no-such-page/"),
    )  # fmt: skip


def session_of(email: str) -> str:
    """Return the session of a person who has just logged in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from tenants.models import User

    person = User.objects.filter(email=email).first()
    if person is None:
        sys.exit("There is nobody to look at: make demo-data first.")
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(person.pk), person.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.create()
    return str(session.session_key)


if __name__ == "__main__":
    main()
