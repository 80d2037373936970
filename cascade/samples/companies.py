"""What a made-up company has set up, and what its traffic is like; and the one that demos show."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

MODELS: Mapping[str, tuple[str, str, str, str]] = {
    "llama-3.3-70b": ("groq", "draft", "0.59", "0.79"),
    "gpt-4o-mini": ("openai", "", "0.15", "0.60"),
    "gpt-4o": ("openai", "strong", "2.50", "10"),
    "claude-sonnet-4-5": ("anthropic", "", "3", "15"),
    "deepseek-coder": ("deepseek", "", "0.27", "1.10"),
    "mixtral-8x22b": ("groq", "", "1.20", "1.20"),
    "gemini-2.5-flash": ("google", "checker", "0.30", "2.50"),
}
"""Connection, part, and dollars per million tokens of input and output. The answers are simulated, whatever the names say."""
PATHS: Mapping[str, tuple[str, str, float]] = {
    "code": ("deepseek-coder", "gpt-4o", 0.69), "general": ("gpt-4o-mini", "gpt-4o", 0.82), "medical": ("gpt-4o-mini", "claude-sonnet-4-5", 0.52),
    "legal": ("gemini-2.5-flash", "claude-sonnet-4-5", 0.61), "support": ("llama-3.3-70b", "gpt-4o", 0.86),
    "translation": ("mixtral-8x22b", "gpt-4o", 0.9),
}  # fmt: skip
"""For each domain the model that drafts, the one that answers when the draft is rejected, and how many drafts are accepted."""


class Anomaly(Struct, frozen=True, kw_only=True):
    """What was different on one day: so many times the runs, so many times the tokens, or drafts of a domain that are all rejected."""

    weeks_ago: int
    weekday: int
    """Monday is 0. At weekends there is too little to stand out from."""
    hours: tuple[int, int]
    runs: float = 1.0
    tokens: float = 1.0
    domain: str = ""
    only_user: int | None = None


class Company(Struct, frozen=True, kw_only=True):
    runs_a_day: int
    tokens: float = 1.0
    """So many times the usual length of questions and answers."""
    users: int
    growth: float
    domains: Mapping[str, float]
    budgets: Sequence[Mapping[str, Any]]
    anomalies: Sequence[Anomaly] = ()
    seed: int = 1


KEYS = ("web-prod", "batch-jobs")
DEMO = Company(
    runs_a_day=120, tokens=6, users=30, growth=0.004, seed=11,
    domains={"support": 0.34, "general": 0.27, "code": 0.2, "medical": 0.1, "legal": 0.06, "translation": 0.03},
    budgets=(
        {"name": "Whole organisation", "scope": "tenant", "period": "monthly", "limit": "220", "action": "warn"},
        {"name": "Free tier, daily", "scope": "tier", "subject": "free", "period": "daily", "limit": "1", "action": "degrade"},
        {"name": "Pro tier, monthly", "scope": "tier", "subject": "pro", "period": "monthly", "limit": "40", "action": "degrade"},
        {"name": "Enterprise, monthly", "scope": "tier", "subject": "enterprise", "period": "monthly", "limit": "120", "action": "warn"},
        {"name": "batch-jobs", "scope": "tag", "subject": "batch-jobs", "period": "monthly", "limit": "24", "action": "block"},
        {"scope": "end_user", "period": "weekly", "limit": "30", "action": "block"},
        *({"scope": "end_user", "subject": f"user_{number}", "period": "monthly", "limit": limit, "action": action}
          for number, limit, action in ((1000, "40", "warn"), (1001, "20", "degrade"), (1002, "30", "block"), (1003, "11", "warn"),
                                        (1004, "15", "degrade"))),
    ),
    anomalies=(
        Anomaly(weeks_ago=6, weekday=1, hours=(9, 14), runs=2.9), Anomaly(weeks_ago=2, weekday=3, hours=(10, 17), runs=1.6, tokens=3.5, only_user=12),
        Anomaly(weeks_ago=1, weekday=2, hours=(14, 19), domain="medical", runs=1.4, tokens=1.5),
    ),
)  # fmt: skip


def document_of(company: Company, *, slug: str) -> dict[str, Any]:
    """Return what the company has set up as a provisioning file has it. The providers are simulated ones: a demo holds no credential."""
    connections = dict.fromkeys(connection for connection, *_ in MODELS.values())
    return {
        "slug": slug, "default_tier": "free",
        "providers": [{"name": name, "provider": "simulated"} for name in connections],
        "models": [
            {"name": name, "provider": connection, "upstream_name": "simulated-large" if part == "strong" else "simulated-mini", "part": part,
             "price": {"input": asked, "output": said}, "price_source": "a price list of that day, for the demo"}
            for name, (connection, part, asked, said) in MODELS.items()
        ],
        "tiers": [{"name": "free", "title": "Free"}, {"name": "pro", "title": "Pro"}, {"name": "enterprise", "title": "Enterprise"}],
        "budgets": list(company.budgets),
        "keys": [{"name": name, "key_env": variable_of(name), "scopes": ["invoke"]} for name in KEYS],
    }  # fmt: skip


def variable_of(key: str) -> str:
    return f"CASCADEFLOW_KEY_{key.replace('-', '_')}".upper()
