"""A provisioning file, its secrets, and what provisioning says of it."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection

from cascade.provisioning import InvalidFile, provision
from tenants.keys import new_key
from tenants.webhooks import new_webhook_secret

GUIDE = Path(__file__).parents[2] / "docs/guides/provisioning.md"
NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
SECRETS = {
    "OLGA_PASSWORD": "nine green violins sing", "OPENAI_API_KEY": "sk-very-secret-7531", "ACME_KEY": new_key(), "POLICY_SECRET": new_webhook_secret(),
}  # fmt: skip
MINIMAL = """
tenants:
  - slug: initech
    providers: [{name: openai, provider: openai, api_key_env: OPENAI_API_KEY}]
    models:
      - {name: mini, provider: openai, part: draft, price: {input: "0.15", output: "0.60"}}
      - {name: large, provider: openai, part: strong}
    presets: [{name: house, strategies: [{domain: general, steps: [{name: draft, models: ["@draft"], validator: balanced}]}]}]
    budgets: [{scope: tenant, period: daily, limit: 5, action: block}]
    keys: [{name: backend, key_env: ACME_KEY}]
"""


def example() -> str:
    found = re.search(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    return found[1]


def run(text: str, *, now: datetime = NOW, dry_run: bool = False, **more: str) -> list[str]:
    return [str(change) for change in provision(text=text, environment={**SECRETS, **more}, now=now, dry_run=dry_run)]


def errors(text: str, **environment: str) -> list[str]:
    with pytest.raises(InvalidFile) as wrong:
        provision(text=text, environment=environment or SECRETS, now=NOW)
    return [str(problem) for problem in wrong.value.problems]


def rows() -> dict[str, int]:
    """How many rows each table has, as the database counts them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.platform', 'on', true)")
        counts = {}
        for table in connection.introspection.table_names(cursor):
            if table.split("_")[0] in ("tenants", "billing", "cascade"):
                cursor.execute(f'SELECT count(*) FROM "{table}"')
                counts[table] = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('app.platform', '', true)")
    return counts
