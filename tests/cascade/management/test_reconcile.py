"""manage.py reconcile on the site's own upstream: what it billed, whatever became of the calls, is what the book says afterwards."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import openai
import pytest
from django.core.management import CommandError, call_command

from tests.stage import FAULTS, Stage

RATES = {"prompt_tokens": 150, "completion_tokens": 600}


def run(stage: Stage, file: Path, *arguments: str) -> list[str]:
    out = io.StringIO()
    call_command("reconcile", str(file), "--tenant", stage.cast.acme.slug, "--provider", "up", *arguments, stdout=out)
    return out.getvalue().splitlines()


@pytest.fixture
def bill(live_cast: Stage, tmp_path: Path) -> Iterator[Path]:
    """Calls of three users, most of them to models that fail in every way the upstream can; and what it bills for them."""
    httpx.post(f"{live_cast.upstream.url}/reset")
    live_cast.add_budget("5")

    def call(number: int) -> None:
        model = ("steady", *(f"fault-{fault}" for fault in FAULTS if fault != "timeout"))[number % len(FAULTS)]
        fields = {"user": ("ann", "ben", "walt")[number % 3], "stream": model == "fault-truncated-sse", "max_tokens": 200 + number}
        with suppress(openai.OpenAIError, httpx.HTTPError):
            reply = live_cast.ask(model, "x" * 31 * number + "?", **fields)
            _ = list(reply) if fields["stream"] else reply

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, range(45)))
    live_cast.wait_until_closed(holds=45)
    file = tmp_path / "usage.csv"
    file.write_text(httpx.get(f"{live_cast.upstream.url}/invoice.csv").text)
    yield file
    httpx.post(f"{live_cast.upstream.url}/reset")


def booked_by_group(stage: Stage) -> dict[tuple[str, str], int]:
    names = {f"fault-{fault}": f"fault-{fault}" for fault in FAULTS} | {"steady": stage.upstream_name("steady")}
    sums: dict[tuple[str, str], int] = {}
    for entry in stage.entries():
        key = (str(entry.end_user_id), names[entry.model])
        sums[key] = sums.get(key, 0) + entry.amount_nusd
    return {key: amount for key, amount in sums.items() if amount}


def billed_by_group(stage: Stage) -> dict[tuple[str, str], int]:
    by = stage.upstream.stats()["by"]
    return {tuple(name.split("|")): sum(row[count] * rate for count, rate in RATES.items()) for name, row in by.items()}  # type: ignore[misc]


def test_afterwards_every_group_is_what_the_provider_billed_to_the_nano_dollar(live_cast: Stage, bill: Path) -> None:
    before = booked_by_group(live_cast)
    assert before != billed_by_group(live_cast), "the book assumes the bound where it does not know better"
    lines = run(live_cast, bill, "--yes", "--by", "finn")
    assert lines[0].startswith("invoice, ")
    assert "is not over yet: calls may be missing from the file." in lines[1]
    shown = "\n".join(lines)
    assert "[assumed_too_high]" in shown
    assert "[estimated_off]" in shown
    assert " ann: " in shown, "end users have the names that the tenant gave them"
    assert booked_by_group(live_cast) == billed_by_group(live_cast)
    certain = [entry for entry in live_cast.entries() if entry.kind == "settled"]
    corrected = {entry.reservation_id for entry in live_cast.entries() if entry.reference}
    assert certain
    assert not corrected & {entry.reservation_id for entry in certain}
    (window,) = live_cast.windows()
    assert window.spent_nusd == sum(billed_by_group(live_cast).values())
    assert run(live_cast, bill, "--yes")[0].startswith("= this file was posted on ")
    assert booked_by_group(live_cast) == billed_by_group(live_cast)


def test_without_a_yes_nothing_is_posted_and_the_comparison_is_kept(live_cast: Stage, bill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = booked_by_group(live_cast)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or "n")
    with pytest.raises(CommandError, match="Nothing was posted"):
        run(live_cast, bill)
    assert asked[0].startswith("Post ")
    assert booked_by_group(live_cast) == before
    monkeypatch.setattr("builtins.input", lambda question: "y")
    assert run(live_cast, bill)[-1].startswith("Posted: -")


def test_a_bad_file_changes_nothing_and_every_wrong_line_is_named(live_cast: Stage, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("date,model,user,requests,prompt_tokens,completion_tokens\n2026-11-01,gpt,,1,1,1\nsoon,gpt,,1,1,1\n2026-11-01,gpt,,1,x,1\n")
    with pytest.raises(CommandError) as wrong:
        run(live_cast, file, "--yes")
    assert wrong.value.returncode == 2
    assert "bad.csv: line 3: date is 'soon'" in str(wrong.value)
    assert "bad.csv: line 4: prompt_tokens is 'x'" in str(wrong.value)
    file.write_bytes(b"date,model,user\xff\n")
    with pytest.raises(CommandError, match="line 1: from here on this is not UTF-8 text"):
        run(live_cast, file)
    with pytest.raises(CommandError, match="cannot be read"):
        run(live_cast, tmp_path / "none.csv")


def test_an_unknown_connection_is_told_which_there_are(live_cast: Stage, bill: Path) -> None:
    with pytest.raises(CommandError, match=r"no provider connection called 'azure'\. There are: .*up"):
        call_command("reconcile", str(bill), "--tenant", live_cast.cast.acme.slug, "--provider", "azure")
