"""The three companies: what they have set up, and what their traffic is like."""

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

    days_ago: int
    hours: tuple[int, int]
    runs: float = 1.0
    tokens: float = 1.0
    domain: str = ""
    only_user: int | None = None


class Company(Struct, frozen=True, kw_only=True):
    slug: str
    name: str
    zone: str
    runs_a_day: int
    users: int
    growth: float
    domains: Mapping[str, float]
    budgets: Sequence[Mapping[str, Any]]
    anomalies: Sequence[Anomaly] = ()
    seed: int = 1


COMPANIES: Sequence[Company] = (
    Company(
        slug="acme", name="Acme Inc.", zone="Europe/Berlin", runs_a_day=260, users=60, growth=0.004, seed=11,
        domains={"support": 0.34, "general": 0.27, "code": 0.2, "medical": 0.1, "legal": 0.06, "translation": 0.03},
        budgets=(
            {"name": "Whole organisation", "scope": "tenant", "period": "monthly", "limit": "170", "action": "warn"},
            {"name": "Free tier, daily", "scope": "tier", "subject": "free", "period": "daily", "limit": "0.25", "action": "degrade"},
            {"name": "Pro tier, monthly", "scope": "tier", "subject": "pro", "period": "monthly", "limit": "18", "action": "degrade"},
            {"name": "Enterprise, monthly", "scope": "tier", "subject": "enterprise", "period": "monthly", "limit": "60", "action": "warn"},
            {"name": "batch-jobs", "scope": "tag", "subject": "batch-jobs", "period": "monthly", "limit": "21", "action": "block"},
            {"scope": "end_user", "period": "weekly", "limit": "9", "action": "block"},
            *({"scope": "end_user", "subject": f"user_{number}", "period": "monthly", "limit": limit, "action": action}
              for number, limit, action in ((1000, "22", "warn"), (1001, "15", "degrade"), (1002, "14", "block"), (1003, "9", "warn"),
                                            (1004, "9", "degrade"), (1005, "7", "block"), (1007, "4.50", "warn"), (1009, "5", "degrade"))),
        ),
        anomalies=(
            Anomaly(days_ago=41, hours=(9, 14), runs=2.6), Anomaly(days_ago=14, hours=(10, 17), tokens=3.5, only_user=3),
            Anomaly(days_ago=7, hours=(14, 19), domain="medical", runs=1.25, tokens=1.5),
        ),
    ),
    Company(
        slug="northwind", name="Northwind Traders", zone="America/New_York", runs_a_day=90, users=24, growth=0.001, seed=12,
        domains={"support": 0.5, "general": 0.3, "translation": 0.2},
        budgets=(
            {"name": "Whole organisation", "scope": "tenant", "period": "monthly", "limit": "90", "action": "block"},
            {"scope": "end_user", "period": "daily", "limit": "0.60", "action": "degrade"},
        ),
    ),
    Company(
        slug="kestrel", name="Kestrel Labs", zone="Asia/Kolkata", runs_a_day=30, users=9, growth=-0.002, seed=13,
        domains={"code": 0.7, "general": 0.3},
        budgets=({"name": "Everything, weekly", "scope": "tenant", "period": "weekly", "limit": "8", "action": "warn"},),
    ),
)  # fmt: skip
PEOPLE: Sequence[tuple[str, str, str]] = (
    ("Maria Kovac", "maria", "owner"), ("Tom Berg", "tom", "operator"), ("Fin Okoro", "fin", "finance"), ("Dev Rao", "dev", "developer"),
    ("Vera Lund", "vera", "viewer"),
)  # fmt: skip


def document_of(company: Company) -> dict[str, Any]:
    """Return the company as a provisioning file has it."""
    connections = dict.fromkeys(connection for connection, *_ in MODELS.values())
    return {
        "slug": company.slug, "name": company.name, "time_zone": company.zone, "default_tier": "free",
        "operators": [
            {"email": "demo@example.com", "role": "owner", "password_env": "CASCADEFLOW_DEMO_PASSWORD"},
            *({"email": f"{mail}@{company.slug}.example", "role": role, "password_env": "CASCADEFLOW_DEMO_PASSWORD"} for _, mail, role in PEOPLE),
        ],
        "providers": [{"name": name, "provider": "simulated"} for name in connections],
        "models": [
            {"name": name, "provider": connection, "upstream_name": "simulated-large" if part == "strong" else "simulated-mini", "part": part,
             "price": {"input": asked, "output": said}, "price_source": "a price list of that day, for the demo"}
            for name, (connection, part, asked, said) in MODELS.items()
        ],
        "tiers": [{"name": "free", "title": "Free"}, {"name": "pro", "title": "Pro"}, {"name": "enterprise", "title": "Enterprise"}],
        "budgets": list(company.budgets),
        "keys": [{"name": name, "key_env": f"CASCADEFLOW_KEY_{company.slug}_{name.replace('-', '_')}".upper(), "scopes": ["invoke"]}
                 for name in ("web-prod", "batch-jobs")],
    }  # fmt: skip
