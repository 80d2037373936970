"""Writes the made-up calls as the ledger would have: holds, entries, windows, marks and traces, so that every invariant of it holds.

It connects as the owner of the tables, as migrations do: the application's role cannot write money.
"""

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import uuid_utils.compat
from django.db import connections

from bench.history.budgets import Window, Windows
from bench.history.companies import MODELS, Company
from bench.history.traffic import THRESHOLD, Call, Step, calls_of, tier_of
from billing.engine.money import to_usd
from billing.engine.pricing import Usage, cost_nusd
from billing.models import Budget, ModelPrice
from billing.pricebook import price_of
from tenants.end_users import end_user_id
from tenants.models import ApiKey, EndUser, Tenant, Tier
from tenants.scoping import tenant_scope

DAYS = 90
PRESET, POLICY = "production_ready", "production_ready@1"
HOLDS = ("id", "tenant_id", "state", "owner", "end_user_id", "api_key_id", "labels", "legs", "sent", "window_ids", "amount_nusd", "actual_nusd",
         "created_at", "expires_at", "closed_at")  # fmt: skip
ENTRIES = ("id", "tenant_id", "kind", "reservation_id", "leg", "attempt", "amount_nusd", "step", "outcome", "provider", "model", "price_version",
           "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens", "is_unverified", "provider_request_id",
           "end_user_id", "api_key_id", "tier", "domain", "preset", "tags", "actor", "reason", "reference", "occurred_at", "occurred_on",
           "booked_at")  # fmt: skip
RUNS = ("id", "tenant_id", "status", "end_user_id", "api_key_id", "tier", "preset", "policy_version", "arm", "domain", "domain_confidence",
        "complexity", "model_used", "draft_accepted", "cost_nusd", "baseline_nusd", "latency_ms", "first_token_ms", "steps", "error_code", "tags",
        "started_at")  # fmt: skip
WINDOWS = ("id", "tenant_id", "budget_id", "subject", "start_at", "end_at", "limit_nusd", "cap_nusd", "cap_high_nusd", "opening_nusd", "spent_nusd",
           "held_nusd", "overrun_nusd", "next_mark_nusd")  # fmt: skip
MARKS = ("id", "tenant_id", "window_id", "percent", "spent_nusd", "limit_nusd", "reached_at")


class Book:
    """The history of one company, gathered row by row and written at once."""

    def __init__(self, company: Company, tenant: Tenant, *, first_window: int) -> None:
        self.company, self.tenant, self.zone = company, tenant, ZoneInfo(tenant.time_zone)
        with tenant_scope(tenant.pk):
            tiers = {tier.name: tier for tier in Tier.objects.all()}
            self.users = [self._user(number, tiers) for number in range(company.users)]
            self.keys = {key.name: key.pk for key in ApiKey.objects.all()}
            self.windows = Windows(list(Budget.objects.filter(ended_at=None)), zone=tenant.time_zone, first=first_window)
            self.prices = {row.model: price_of(row) for row in ModelPrice.objects.filter(valid_to=None)}
        self.holds: list[Sequence[Any]] = []
        self.entries: list[Sequence[Any]] = []
        self.runs: list[Sequence[Any]] = []
        self.refused = 0

    def fill(self, *, first: date, now: datetime) -> None:
        for call in calls_of(self.company, first=first, now=now):
            self._add(call)

    def _user(self, number: int, tiers: Mapping[str, Tier]) -> EndUser:
        name = f"user_{1000 + number}"
        identity = end_user_id(salt=bytes(self.tenant.end_user_salt), external_id=name)
        return EndUser.objects.get_or_create(id=identity, defaults={"external_id": name, "tier": tiers[tier_of(number)]})[0]

    def _add(self, call: Call) -> None:
        user, key = self.users[call.user], self.keys[call.key]
        windows = self.windows.binding(
            end_user=user.pk, name=user.external_id, tier=tier_of(call.user), key=key, tags=call.tags, at=call.at
        )  # fmt: skip
        for steps, status in ((call.steps, "failed" if call.failed else "served"), (call.steps[:1], "degraded")):
            costs = [self._cost(step) for step in steps] if status != "failed" else [0]
            short = [window for window in windows if not window.takes(sum(costs))]
            if not short:
                self._book(call, steps if status != "failed" else steps[:1], costs, windows, status=status)
                return
            if any(window.budget.action == "block" for window in short):
                break
        self.refused += 1

    def _cost(self, step: Step) -> int:
        return cost_nusd(usage=Usage(input_tokens=step.asked, output_tokens=step.said), price=self.prices[step.model])

    def _book(self, call: Call, steps: Sequence[Step], costs: Sequence[int], windows: Sequence[Window], *, status: str) -> None:
        at, total = call.at, sum(costs)
        identity = id_at(at)
        latency = sum(step.latency_ms for step in steps) + 4
        closed = at + timedelta(milliseconds=latency)
        user, key, tier, is_failed = self.users[call.user], self.keys[call.key], tier_of(call.user), status == "failed"
        legs = [self._leg(step, cost) for step, cost in zip(steps, costs, strict=True)]
        labels = {"tier": tier, "domain": call.domain, "preset": POLICY, "tags": list(call.tags)}
        for window in windows:
            window.spend(total, closed)
        self.holds.append(
            (identity, self.tenant.pk, "voided" if is_failed else "settled", "demo history", user.pk, key, json.dumps(labels), json.dumps(legs),
             2 ** len(steps) - 1, sorted(window.number for window in windows), sum(leg["amount"] for leg in legs), total, at,
             at + timedelta(minutes=2), closed)
        )  # fmt: skip
        for leg, (step, cost) in enumerate(zip(steps, costs, strict=True)):
            asked, said = (0, 0) if is_failed else (step.asked, step.said)
            self.entries.append(
                (uuid_utils.compat.uuid7(), self.tenant.pk, "voided" if is_failed else "settled", identity, leg, 1, cost, step.name,
                 "failed" if is_failed else step.status, legs[leg]["provider"], step.model, legs[leg]["price_version"], asked, 0, 0, said, 0,
                 is_failed, f"req_{identity.hex[-12:]}{leg}", user.pk, key, tier, call.domain, POLICY, list(call.tags), "", "", "", at,
                 at.astimezone(self.zone).date(), closed)
            )  # fmt: skip
        served = None if is_failed else steps[-1]
        baseline = cost_nusd(usage=Usage(input_tokens=served.asked, output_tokens=served.said), price=self.prices["gpt-4o"]) if served else None
        self.runs.append(
            (identity, self.tenant.pk, status, user.pk, key, tier, PRESET, POLICY, "cascade", call.domain,
             round(0.55 + (identity.int % 44) / 100, 2), call.complexity, served.model if served else "",
             None if is_failed else steps[0].status == "accepted", total, baseline, round(latency, 2), None,
             json.dumps([self._told(step, cost, is_failed=is_failed) for step, cost in zip(steps, costs, strict=True)]),
             "provider_failed" if is_failed else "", list(call.tags), at)
        )  # fmt: skip

    def _leg(self, step: Step, cost: int) -> dict[str, Any]:
        return {"step": step.name, "provider": MODELS[step.model][0], "model": step.model, "price_version": self.prices[step.model].version,
                "amount": max(cost * 8 // 5, 1)}  # fmt: skip

    def _told(self, step: Step, cost: int, *, is_failed: bool) -> dict[str, Any]:
        provider, latency = MODELS[step.model][0], round(step.latency_ms, 2)
        told = {"model": step.model, "provider": provider, "latency_ms": latency}
        return {
            **told, "name": step.name, "kind": "answer", "status": "failed" if is_failed else step.status, "cost": to_usd(cost), "attempts": 1,
            "input_tokens": None if is_failed else step.asked, "output_tokens": None if is_failed else step.said,
            "score": None if is_failed else step.score, "threshold": THRESHOLD if step.score is not None and not is_failed else None,
            "reason": "the provider answered with an error" if is_failed else step.reason,
            "tries": [{**told, "outcome": "failed" if is_failed else "answered", "error_code": "provider_failed" if is_failed else None,
                       "booked": "voided" if is_failed else "settled"}],
        }  # fmt: skip

    def write(self) -> None:
        rows = self.windows.rows.values()
        windows = [
            (row.number, self.tenant.pk, row.budget.pk, row.subject, row.start_at, row.end_at, row.budget.limit_nusd, row.cap, row.cap, 0, row.spent,
             0, 0, row.next_mark)
            for row in rows
        ]  # fmt: skip
        marks = [
            (uuid_utils.compat.uuid7(), self.tenant.pk, row.number, percent, spent, row.budget.limit_nusd, at)
            for row, (percent, spent, at) in self.windows.all_marks()
        ]
        for table, columns, lines in (
            ("billing_budgetwindow", WINDOWS, windows), ("billing_budgetmark", MARKS, marks), ("billing_reservation", HOLDS, self.holds),
            ("billing_costentry", ENTRIES, self.entries), ("cascade_cascaderun", RUNS, self.runs),
        ):  # fmt: skip
            copy_in(table, columns, lines)


def id_at(at: datetime) -> UUID:
    """Return an id of version 7 as it would have been given at that time: 48 bits of milliseconds, the rest by chance."""
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0x2 << 62 | secrets.randbits(62))


def copy_in(table: str, columns: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Put rows into a table in one statement, as its triggers want them. COPY alone does not go where row-level security is forced."""
    names = ", ".join(columns)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE gathered ON COMMIT DROP AS SELECT {names} FROM {table} WITH NO DATA")
        with cursor.copy(f"COPY gathered ({names}) FROM STDIN") as copy:
            for line in lines:
                copy.write_row(line)
        cursor.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM gathered")
        cursor.execute("DROP TABLE gathered")
