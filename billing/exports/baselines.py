"""What answered runs would have cost on the baseline, as rows of a FOCUS file.

A baseline belongs to a run, and a row of usage to one meter of many calls, some of them rejected drafts: no share of a baseline is any meter's. So
baselines have rows of their own, which cost nothing and stand beside the usage, by the day, key, tier, domain, preset and tags of the runs.
Runs are kept by the app above, which registers the relation that they are read from.
"""

from collections.abc import Mapping

from billing.exports.wanted import Wanted

BASELINE = "baseline"
"""What `x_EntryKind` says of such a row."""
PROVIDER = "CascadeFlow"
"""Who serves what costs nothing: no provider does."""
OF_RUNS = ("tier", "domain", "preset", "tag", "api_key_id", "end_user_id")
"""Filters that a run has an answer to; what others leave of a run is not the whole of it."""
NOTES = [
    "x_BaselineCost and x_SavingsAmount stand on rows of their own (x_EntryKind baseline), which cost nothing: by the day on which runs began, what "
    "the baseline would have cost for their answers, and that less what the runs came to. They sum to the savings statement of the same UTC days.",
]  # fmt: skip
LEFT_OUT = ["Filtered by model, provider, step or kind, it is no whole runs that are in it: so it has no baselines."]
_relation: list[str] = []


def read_runs_from(relation: str) -> None:
    """Register where runs are read from: a query in brackets with the columns tenant_id, at, api_key_id, end_user_id, tier, domain, preset, tags,
    baseline_model, baseline_nusd and cost_nusd, of answered runs with a baseline alone."""
    _relation[:] = [relation]


def has_baselines(wanted: Wanted) -> bool:
    return bool(_relation) and not set(wanted.filters) - set(OF_RUNS)


def baseline_rows(wanted: Wanted, *, labels: Mapping[str, str]) -> str:
    """Return the query of the rows. `labels` are expressions by name for the tags and the end user of a row `e`, as those of usage have them."""
    tests = ["e.tenant_id = %(tenant)s", "e.at >= %(start)s", "e.at < %(end)s"]
    for name in sorted(wanted.filters):
        value = f"%(filter_{name})s"
        tests.append(f"{value} = ANY (e.tags)" if name == "tag" else f"e.{name} = {value}{'::uuid' if name.endswith('_id') else ''}")
    return f"""
SELECT date_trunc('month', e.at AT TIME ZONE 'UTC') AS month, (e.at AT TIME ZONE 'UTC')::date AS day, e.api_key_id, '{PROVIDER}' AS provider,
       e.baseline_model AS model, '' AS price_version, '' AS step, '' AS outcome, e.tier, e.domain, e.preset, {labels["tags"]} AS tags,
       {labels["end_user_id"]} AS end_user_id, NULL::uuid AS call_id, '{BASELINE}' AS what, false AS is_late, false AS is_metered,
       sum(e.baseline_nusd) AS baseline_nusd, sum(e.baseline_nusd - e.cost_nusd) AS saved_nusd
  FROM {_relation[0]} e WHERE {" AND ".join(tests)}
 GROUP BY 1, 2, 3, 5, 9, 10, 11, 12, 13
"""
