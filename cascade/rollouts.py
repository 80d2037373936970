"""How far presets are rolled out, and what each side of a rollout cost: read from the runs' traces."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Avg, BigIntegerField, Case, Count, F, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from msgspec import Struct

from cascade.engine.rollout import Measured, Sample, caution, difference, saving
from cascade.models import CascadeRun, PresetRollout
from tenants.scoping import current_tenant_id

ARMS = ("cascade", "baseline", "shadow")
NO_RUNS = Sample(0, 0, 0.0, 0.0, 0.0, 0.0)
SAMPLES = """
SELECT arm, count(*), sum(n)::int, sum(c), sum(c * c), sum(c * n), sum(n * n),
       count(*) FILTER (WHERE m > 0), sum(m)::int, coalesce(sum(s), 0), coalesce(sum(s * s), 0), coalesce(sum(s * m), 0), sum(m * m)
  FROM (SELECT arm, coalesce(end_user_id, id), count(*)::float8 AS n, sum(cost_nusd)::float8 AS c, count(score)::float8 AS m, sum(score) AS s
          FROM cascade_cascaderun
         WHERE tenant_id = %s AND preset = %s AND started_at >= %s AND started_at < %s AND arm = ANY (%s) GROUP BY 1, 2) AS lots
 GROUP BY arm
"""


class ArmFigures(Struct, frozen=True, kw_only=True):
    """The runs of one arm: amounts in nano-USD, times in milliseconds, rates from 0 to 1 or None where nothing was judged."""

    arm: str
    runs: int
    failed: int
    cost_nusd: int
    baseline_nusd: int
    """What the baseline model would have cost for the same answers, where that is known."""
    mean_latency_ms: float | None
    judged: int
    accepted: int
    end_users: int = 0
    """Lots: end users, and calls that named none."""
    mean_score: float | None = None
    """Of the served answers, 0 to 1, as far as they were judged."""

    @property
    def accepted_share(self) -> float | None:
        """Of the drafts that were judged; for shadows, what would have been accepted. Worked number: 88 of 110 are 0.8."""
        return self.accepted / self.judged if self.judged else None

    @property
    def escalation_rate(self) -> float | None:
        """Of all runs, how many had a draft that was not accepted. Worked number: 22 of 120 runs, 10 of them unjudged, are 0.183."""
        return (self.judged - self.accepted) / self.runs if self.runs else None

    @property
    def modelled_percent(self) -> float | None:
        """What the runs saved by the price of the baseline for the same answers. Worked number: 25 for 100 are 75 % saved."""
        return 100 * (1 - self.cost_nusd / self.baseline_nusd) if self.baseline_nusd else None


class Projection(Struct, frozen=True, kw_only=True):
    """What the cascade would have cost for the calls that were shadowed: the shadow, and the served answer again where it was rejected."""

    runs: int
    served_nusd: int
    cascade_nusd: int

    @property
    def saving_percentage(self) -> float | None:
        """Worked number: served for 4,000, shadows for 600 and 400 again for the rejected: 75 %."""
        return 100 * (1 - self.cascade_nusd / self.served_nusd) if self.served_nusd else None


class RolloutReport(Struct, frozen=True, kw_only=True):
    """What a preset came to beside its baseline: users are drawn by lot, so the arms are alike but for the path that their calls took."""

    arms: Sequence[ArmFigures]
    measured: Measured | None
    """The saving of a run, in per cent."""
    quality: Measured | None
    """By how much the mean score of the cascade's answers is above the baseline's, both judged alike."""
    caution: str
    """Why these figures cannot be relied on yet, in words; empty where they can."""
    projected: Projection | None


def set_rollout(*, preset: str, share: int | None, shadow: bool | None, actor: str) -> PresetRollout:
    """Change how far a preset is rolled out, from the next calls on. Raises ValidationError where nobody would be left to shadow."""
    row, _ = PresetRollout.objects.select_for_update().get_or_create(preset=preset)  # two at once: one of them waits for the other
    row.share = row.share if share is None else share
    row.shadow = row.shadow if shadow is None else shadow
    if row.shadow and row.share == 100:
        raise ValidationError({"shadow": "With a share of 100 the cascade serves every call: lower the share, or switch the shadow off."})
    row.changed_by = actor
    row.save()
    return row


def rollout_of(preset: str) -> PresetRollout:
    return PresetRollout.objects.filter(preset=preset).first() or PresetRollout(preset=preset)


def rollout_report(*, preset: str, since: datetime, until: datetime) -> RolloutReport:
    """Return what the runs of a preset came to that began from `since` to `until`, arm by arm.

    A trace is written after the money and may be lost with its process; the book (billing.reports) has every cent.
    """
    runs = CascadeRun.objects.filter(preset=preset, started_at__gte=since, started_at__lt=until)
    arms = {row["arm"]: _figures(row) for row in _by_arm(runs)}
    costs, scores = _samples(preset=preset, since=since, until=until)
    measured = saving(cascade=costs["cascade"], baseline=costs["baseline"])
    return RolloutReport(
        arms=[msgspec.structs.replace(arms[arm], end_users=costs[arm].lots) for arm in ARMS if arm in arms], measured=measured,
        quality=difference(cascade=scores["cascade"], baseline=scores["baseline"]), projected=_projection(runs),
        caution=caution(cascade=costs["cascade"], baseline=costs["baseline"], saved=measured),
    )  # fmt: skip


def _by_arm(runs: QuerySet[CascadeRun]) -> Iterable[Mapping[str, Any]]:
    return (
        runs.filter(arm__in=ARMS)
        .values("arm")
        .annotate(
            runs=Count("pk"), failed=Count("pk", filter=Q(status="failed")), cost=Sum("cost_nusd"), baseline=Sum("baseline_nusd"),
            latency=Avg("latency_ms"), judged=Count("draft_accepted"), accepted=Count("pk", filter=Q(draft_accepted=True)),
            score=Avg("score"),
        )
        .order_by()
    )  # fmt: skip


def _samples(*, preset: str, since: datetime, until: datetime) -> tuple[Mapping[str, Sample], Mapping[str, Sample]]:
    """Return what the runs of each arm cost, and the scores of those that were judged, summed by end user. A call that names none was drawn
    by itself."""
    costs, scores = dict.fromkeys(ARMS, NO_RUNS), dict.fromkeys(ARMS, NO_RUNS)
    with connection.cursor() as cursor:
        cursor.execute(SAMPLES, [current_tenant_id(), preset, since, until, list(ARMS)])
        for arm, *figures in cursor.fetchall():
            costs[arm], scores[arm] = Sample(*figures[:6]), Sample(*figures[6:])
    return costs, scores


def _figures(row: Mapping[str, Any]) -> ArmFigures:
    return ArmFigures(
        arm=row["arm"], runs=row["runs"], failed=row["failed"], cost_nusd=int(row["cost"] or 0), baseline_nusd=int(row["baseline"] or 0),
        mean_latency_ms=row["latency"], judged=row["judged"], accepted=row["accepted"], mean_score=row["score"],
    )


def _projection(runs: QuerySet[CascadeRun]) -> Projection | None:
    served = CascadeRun.objects.filter(pk=OuterRef("shadow_of")).values("cost_nusd")
    again = Case(When(draft_accepted=True, then=Value(0)), default=F("served"), output_field=BigIntegerField())
    sums = (
        runs.filter(arm="shadow")
        .annotate(served=Subquery(served))
        .exclude(served=None)
        .aggregate(runs=Count("pk"), served_sum=Sum("served"), cascade=Sum(F("cost_nusd") + again))
    )
    if not sums["runs"]:
        return None
    return Projection(runs=sums["runs"], served_nusd=int(sums["served_sum"]), cascade_nusd=int(sums["cascade"]))
