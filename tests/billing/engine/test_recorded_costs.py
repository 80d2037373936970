"""The recorded costs of real calls come out of their token counts and price list, to the nano-dollar."""

import csv
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.engine.money import to_nusd
from billing.engine.pricing import Price, Usage, cost_nusd

DATA = Path(__file__).resolve().parents[4] / "shared/data"
RECORDED = DATA / "cascade_zeroeval_gsm8k.jsonl"

pytestmark = pytest.mark.skipif(not RECORDED.exists(), reason=f"the recorded data is not here: {RECORDED}")


def prices() -> dict[str, Price]:
    with (DATA / "prices_used.csv").open(newline="") as lines:
        return {
            row["model"]: Price(version=row["source"], input_nusd=to_nusd(row["in_usd_per_1M"]), output_nusd=to_nusd(row["out_usd_per_1M"]))
            for row in csv.DictReader(lines)
        }


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    with RECORDED.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line, parse_float=Decimal)
            yield from (*row["drafts"].items(), *row["strong"].items())


def test_every_recorded_cost_is_reproduced() -> None:
    book, compared = prices(), 0
    for model, call in calls():
        usage = Usage(input_tokens=call["in_tok"], output_tokens=call["out_tok"])
        recorded = round(call["cost"] * 1_000_000_000)  # what was written as a float is the exact amount but for its last digits
        assert cost_nusd(usage=usage, price=book[model]) == recorded, (model, call)
        compared += 1
    assert compared >= 2_000
