"""What the cascade costs, saves and keeps on recorded prompts, checked against the provider's own bill to the nano-dollar.

Real answers of gpt-4o-mini (draft) and gpt-4o (strong) to GSM8K questions are replayed by bench/upstream.py, which also bills. The
prompts go through our whole site over HTTP, sent by the official OpenAI client. Prints `name: figure` lines. Ends with 1 when the
ledger and the bill differ or a call failed, with 2 when there is no data.

With --all, every recorded pair of models goes through instead, each with a threshold calibrated on one half of its rows and measured on the
other; a line a pair tells what was kept and saved.
"""

import argparse
import asyncio
import csv
import json
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from openai import AsyncOpenAI, OpenAIError

from bench.replay_pairs import STAND_IN_PRICES, catalog, lines, pairs_of, presets, send_pairs
from bench.site import ROOT, Site, site, upstream
from billing.engine.money import TOKENS_PER_PRICE, to_nusd, to_usd
from tenants.keys import new_key

RECORDS, PRICES = "cascade_zeroeval_gsm8k.jsonl", "prices_used.csv"
DRAFT, STRONG = "gpt-4o-mini-2024-07-18", "gpt-4o-2024-08-06"
PRESET, MAX_TOKENS, USERS = "production_ready", 2048, 20


class Call(NamedTuple):
    """One prompt's outcome: what was served, and what our own reply said of it."""

    record: Mapping[str, Any]
    extension: Mapping[str, Any] | None
    error: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder with the recorded answers (default: ../shared/data)")
    parser.add_argument("--prompts", type=int, default=200, help="how many, from the first (default: 200)")
    parser.add_argument("--at-once", type=int, default=8, help="calls in flight (default: 8)")
    parser.add_argument("--workers", type=int, default=1, help="processes of our site (default: 1)")
    parser.add_argument("--all", action="store_true", help="every recorded pair of models, each with its own calibrated threshold")
    parser.add_argument("--target", type=float, default=0.99, help="with --all: share of the strong model's quality to keep (default: 0.99)")
    given = parser.parse_args()
    missing = [name for name in (RECORDS, PRICES) if not (given.data / name).is_file()]
    if missing:
        print(f"Not measured: {', '.join(missing)} not found in {given.data}. --data names another folder.", file=sys.stderr)
        return 2
    prices = read_prices(given.data / PRICES)
    if given.all:
        return replay_pairs(given, prices={**STAND_IN_PRICES, **prices})
    with (given.data / RECORDS).open(encoding="utf-8") as rows:
        records = [json.loads(row) for _, row in zip(range(given.prompts), rows, strict=False)]
    with site() as ours, upstream(folder=ours.folder, data=given.data) as provider:
        key = new_key()
        ours.provision(document(provider, prices), REPLAY_KEY=key)
        with ours.serving(workers=given.workers) as url:
            calls = asyncio.run(send_all(records, url=url, key=key, at_once=given.at_once))
        return report(calls, prices=prices, ledger=booked(ours), bill=billed(provider, prices))


def replay_pairs(given: argparse.Namespace, *, prices: Mapping[str, tuple[str, str]]) -> int:
    pairs = pairs_of(given.data, target=given.target, most=given.prompts)
    with site() as ours, upstream(folder=ours.folder, data=given.data) as provider:
        key = new_key()
        ours.provision(document(provider, prices, models=catalog(pairs, prices), presets=presets(pairs)), REPLAY_KEY=key)
        with ours.serving(workers=given.workers) as url:
            served = asyncio.run(send_pairs(pairs, url=url, key=key, at_once=given.at_once))
        ledger, bill = booked(ours), billed(provider, prices)
    failed = [call for calls in served for call in calls if not call.model]
    for call in failed[:5]:
        print(f"{call.record['id']} failed: {call.error or 'the reply has no cascadeflow object'}", file=sys.stderr)
    for pair, calls in zip(pairs, served, strict=True):
        print(*lines(pair, calls), sep="\n")
    print(f"calls: {sum(map(len, served))}\nfailed: {len(failed)}\nledger in USD: {to_usd(ledger)}\nprovider's bill in USD: {to_usd(bill)}")
    return _verdict(failed=bool(failed), ledger=ledger, bill=bill)


def _verdict(*, failed: bool, ledger: int, bill: int) -> int:
    if ledger != bill:
        print(f"The ledger and the provider's bill differ by {to_usd(ledger - bill)} USD.", file=sys.stderr)
    return int(failed or ledger != bill)


def read_prices(path: Path) -> dict[str, tuple[str, str]]:
    """Return USD per million tokens, input and output, by model."""
    with path.open(newline="", encoding="utf-8") as rows:
        return {row["model"]: (row["in_usd_per_1M"], row["out_usd_per_1M"]) for row in csv.DictReader(rows)}


def document(
    provider: str, prices: Mapping[str, tuple[str, str]], *, models: Sequence[Mapping[str, Any]] = (), presets: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    models = models or [
        {"name": name, "provider": "openai", "part": part, "price": dict(zip(("input", "output"), prices[name], strict=True)), "price_source": PRICES}
        for name, part in ((DRAFT, "draft"), (STRONG, "strong"))
    ]
    budgets = [
        {"scope": "tenant", "period": "monthly", "limit": "1000", "action": "block"},
        {"scope": "end_user", "period": "daily", "limit": "100", "action": "block"},
    ]
    tenant = {
        "slug": "replay", "default_tier": "pro", "providers": [{"name": "openai", "provider": "openai", "base_url": f"{provider}/v1"}],
        "models": models, "presets": presets, "tiers": [{"name": "pro"}], "budgets": budgets, "keys": [{"name": "replay", "key_env": "REPLAY_KEY"}],
    }  # fmt: skip
    return {"tenants": [tenant]}


async def send_all(records: Sequence[Mapping[str, Any]], *, url: str, key: str, at_once: int) -> list[Call]:
    free = asyncio.Semaphore(at_once)
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:

        async def send(number: int, record: Mapping[str, Any]) -> Call:
            async with free:
                try:
                    reply = await client.chat.completions.create(
                        model=PRESET, messages=[{"role": "user", "content": record["prompt"]}], max_tokens=MAX_TOKENS, user=f"user-{number % USERS}"
                    )
                except OpenAIError as failed:
                    return Call(record, None, str(failed))
                return Call(record, (reply.model_extra or {}).get("cascadeflow"))

        return await asyncio.gather(*(send(number, record) for number, record in enumerate(records)))


def cost(*, model: str, asked: int, said: int, prices: Mapping[str, tuple[str, str]]) -> int:
    """Return the price of these tokens in nano-USD. Sums over calls stay exact where a token costs whole nano-USD, as here."""
    per_input, per_output = map(to_nusd, prices[model])
    assert per_input % TOKENS_PER_PRICE == per_output % TOKENS_PER_PRICE == 0
    return (asked * per_input + said * per_output) // TOKENS_PER_PRICE


def booked(ours: Site) -> int:
    with psycopg.connect(ours.dsn) as connection:
        row = connection.execute("SELECT coalesce(sum(amount_nusd), 0)::bigint FROM billing_costentry").fetchone()
    return int(row[0]) if row else 0


def billed(provider: str, prices: Mapping[str, tuple[str, str]]) -> int:
    with urllib.request.urlopen(f"{provider}/stats") as reply:
        by = json.load(reply)["by"]
    return sum(
        cost(model=name.rpartition("|")[2], asked=row["prompt_tokens"], said=row["completion_tokens"], prices=prices) for name, row in by.items()
    )


def report(calls: Sequence[Call], *, prices: Mapping[str, tuple[str, str]], ledger: int, bill: int) -> int:
    """Print the figures; return the exit code."""
    failed = [call for call in calls if call.extension is None]
    served = [call for call in calls if call.extension is not None]
    for call in failed[:5]:
        print(f"{call.record['id']} failed: {call.error or 'the reply has no cascadeflow object'}", file=sys.stderr)
    if not served:
        return 1
    spent = sum(to_nusd(call.extension["total_cost"]) for call in served)
    strong = [call.record["strong"][STRONG] for call in served]
    baseline = sum(cost(model=STRONG, asked=row["in_tok"], said=row["out_tok"], prices=prices) for row in strong)
    kept = Decimal(sum(quality_of(call) for call in served)) / Decimal(sum(row["quality"] for row in strong))
    figures = {
        "prompts": len(calls), "failed": len(failed), "drafts accepted": sum(call.extension["draft_accepted"] is True for call in served),
        "cost in USD": to_usd(spent), "always strong in USD": to_usd(baseline), "saving in percent": f"{100 * (1 - Decimal(spent) / baseline):.2f}",
        "mean quality": f"{Decimal(sum(quality_of(call) for call in served)) / len(served):.4f}",
        "mean quality always strong": f"{Decimal(sum(row['quality'] for row in strong)) / len(served):.4f}",
        "quality kept": f"{kept:.4f}", "ledger in USD": to_usd(ledger), "provider's bill in USD": to_usd(bill),
    }  # fmt: skip
    for name, figure in figures.items():
        print(f"{name}: {figure}")
    return _verdict(failed=bool(failed), ledger=ledger, bill=bill)


def quality_of(call: Call) -> int:
    """Return the recorded quality (0 or 1) of the answer that was served."""
    assert call.extension is not None
    model = call.extension["model_used"]
    return int((call.record["drafts"].get(model) or call.record["strong"][model])["quality"])


if __name__ == "__main__":
    sys.exit(main())
