"""What would a change of a domain rule have changed? Read from the runs that met the rule in the last days; no prompt is kept for it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection
from msgspec import Struct

from cascade.engine.domain_replay import domain_under
from cascade.models import DomainRule
from cascade.run_reports import RunSums, runs_by
from tenants.scoping import current_tenant_id

DAYS, MOST_RUNS = 7, 10_000
FETCHED_AT_ONCE = 2_000

MET = """
SELECT r.domain, r.domain_evidence -> 'scores', r.domain_evidence -> 'met' -> %(rule)s
  FROM cascade_cascaderun r
 WHERE r.tenant_id = %(tenant)s AND r.started_at >= %(since)s AND r.started_at < %(until)s AND r.domain_evidence IS NOT NULL
   AND r.domain_evidence -> 'met' ? %(rule)s AND r.status <> 'shadow'
 ORDER BY r.started_at DESC LIMIT %(most)s
"""


class Moved(Struct, frozen=True, kw_only=True):
    """Runs whose domain would have been another one."""

    before: str
    after: str
    runs: int
    difference_nusd: int | None
    """By how much dearer they would have been, by what a run of each domain costs on average; None where one of them had no runs."""


class RuleReplay(Struct, frozen=True, kw_only=True):
    """The runs that met a rule, under another domain, weight or state of it."""

    met: int
    """Runs that met it, MOST_RUNS of the latest at the most."""
    moved: Sequence[Moved]
    """The most runs first."""

    @property
    def difference_nusd(self) -> int | None:
        """Over all that can be told. Worked number: 1,204 runs from 2 to 1 cents each are -12.04 USD."""
        told = [one.difference_nusd for one in self.moved if one.difference_nusd is not None]
        return sum(told) if told else None


def replay_rule(rule: DomainRule, *, domain: str, weight: float, zone: str, now: datetime) -> RuleReplay:
    """Return what the runs of the last days that met `rule` would have been about, were it saved with this domain and weight (0: switched off).

    What it comes to is an estimate by the same days of the zone: a prompt may cost more or less than the average run of a domain.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    first = today - timedelta(days=DAYS - 1)
    met, moves = 0, Counter[tuple[str, str]]()
    for before, scores, said in _met(rule, since=datetime.combine(first, time(), tzinfo=ZoneInfo(zone)), until=now):
        met += 1
        after = domain_under(scores, said, domain=domain, weight=weight)
        if after != before:
            moves[before, after] += 1
    domains = sorted({name for move in moves for name in move})
    costs = runs_by(dimension="domain", values=domains, first=first, last=today) if domains else {}
    return RuleReplay(met=met, moved=[_moved(before, after, runs, costs) for (before, after), runs in moves.most_common()])


def _moved(before: str, after: str, runs: int, costs: Mapping[str, RunSums]) -> Moved:
    was, would = (costs.get(name, RunSums()).cost_per_run_nusd for name in (before, after))
    return Moved(before=before, after=after, runs=runs, difference_nusd=None if was is None or would is None else runs * (would - was))


def _met(rule: DomainRule, *, since: datetime, until: datetime) -> Iterator[tuple[str, list[tuple[str, float]], tuple[str, int, float]]]:
    given: Mapping[str, Any] = {"tenant": current_tenant_id(), "rule": str(rule.pk), "since": since, "until": until, "most": MOST_RUNS}
    with connection.chunked_cursor() as cursor:
        cursor.execute(MET, given)
        while rows := cursor.fetchmany(FETCHED_AT_ONCE):
            for domain, scores, said in rows:
                yield domain, msgspec.json.decode(scores, type=list[tuple[str, float]]), msgspec.json.decode(said, type=tuple[str, int, float])
