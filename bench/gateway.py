"""Requests per second of our gateway against a bare relay, in one run on one machine.

wrk sends bench/chat.lua over 16 and 64 connections to bench/relay.py and to ours, in turn, both before bench/upstream.py without delay.
Ours does all it does for a paying customer: keys, 1,000 end users, a monthly budget of the tenant and a daily one of each end user, domain
and draft judged, the money held before the call and booked before the reply. Each side may use 1 or 2 processes; its better one counts.
The upstream's own fixed answer says one thing four times and breaks off, which our validator rejects. So that each request is one call of
the upstream on both sides, it is given an answer of the same length that can be served (bench/answer.txt), for both sides.
Writes bench/results/gateway.json. Ends with 1 where a reply was not 2xx or the ledger is not whole afterwards.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.site import ROOT, Site, serving, site, upstream
from tenants.keys import new_key

RESULTS = ROOT / "bench/results/gateway.json"
PRESET, USERS = "production_ready", 1000
ANSWER = ROOT / "bench/answer.txt"
QUESTION = "Customer asks about order status and refund policy. " * 8
"""What chat.lua asks."""
CONNECTIONS = (16, 64)
FAULTS = ("non2xx", "econn", "eread", "ewrite", "etimeout")


class Entrant(NamedTuple):
    """One way to serve: which gateway, with how many processes, at which address."""

    kind: str
    workers: int
    url: str


class Sample(NamedTuple):
    """One round of wrk. Times are milliseconds."""

    per_second: float
    p50: float
    p99: float
    faults: int


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each, in turn (default: 3)")
    parser.add_argument("--seconds", type=int, default=8, help="length of a round (default: 8)")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of processes to try (default: 1 2)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the figures go (default: bench/results/gateway.json)")
    given = parser.parse_args()
    wrk = find_wrk()
    if wrk is None:
        print("This needs wrk, which is not on PATH. On Debian: apt-get install wrk", file=sys.stderr)
        return 2
    with site() as ours:
        with upstream(folder=ours.folder, data=recording(ours.folder)) as provider, entrants(ours, provider, given.workers) as (key, all_entrants):
            check_draft_is_accepted(next(entrant.url for entrant in all_entrants if entrant.kind == "ours"), key)
            samples = measure(all_entrants, wrk=wrk, key=key, rounds=given.rounds, seconds=given.seconds)
        ledger = ours.manage("check_ledger")
    print(ledger.stdout + ledger.stderr, end="")
    faults = sum(sample.faults for row in samples.values() for sample in row)
    write(given.out, samples, rounds=given.rounds, seconds=given.seconds, faults=faults)
    return int(bool(faults or ledger.returncode))


def find_wrk() -> str | None:
    """Return wrk's path, installing it where that can be done without asking: as root on a Debian."""
    if not shutil.which("wrk") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing wrk ...")
        for command in (["update", "-qq"], ["install", "-qq", "-y", "wrk"]):
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return shutil.which("wrk")


@contextmanager
def entrants(ours: Site, provider: str, workers: Sequence[int]) -> Iterator[tuple[str, list[Entrant]]]:
    """Serve the relay and ours, each with each number of processes; gives a key for ours and the entrants in the order of a round."""
    key = new_key()
    ours.provision(document(provider), BENCH_KEY=key)
    with ExitStack() as running:
        made = []
        for count in workers:
            relay = serving(
                "bench.relay:application", workers=count, environment={**os.environ, "UPSTREAM": provider}, folder=ours.folder, path="/healthz"
            )
            made.append(Entrant("relay", count, running.enter_context(relay)))
            made.append(Entrant("ours", count, running.enter_context(ours.serving(workers=count))))
        yield key, made


def document(provider: str) -> dict[str, Any]:
    models = [
        {"name": "cheap", "provider": "openai", "part": "draft", "price": {"input": "0.15", "output": "0.60"}},
        {"name": "dear", "provider": "openai", "part": "strong", "price": {"input": "2.50", "output": "10"}},
    ]
    budgets = [
        {"scope": "tenant", "period": "monthly", "limit": "1000000", "action": "block"},
        {"scope": "end_user", "period": "daily", "limit": "10000", "action": "block"},
    ]
    tenant = {
        "slug": "bench", "default_tier": "pro", "providers": [{"name": "openai", "provider": "openai", "base_url": f"{provider}/v1"}],
        "models": models, "tiers": [{"name": "pro"}], "budgets": budgets, "keys": [{"name": "bench", "key_env": "BENCH_KEY"}],
    }  # fmt: skip
    return {"tenants": [tenant]}


def recording(folder: Path) -> Path:
    """Return a folder that tells bench/upstream.py what to answer: to ours, and to the relay, which sends the model as it came."""
    recorded = {"output": ANSWER.read_text().strip(), "in_tok": 140, "out_tok": 300}
    row = {"id": "bench", "prompt": QUESTION, "drafts": {"cheap": recorded, PRESET: recorded}, "strong": {}}
    path = folder / "recording/cascade_bench.jsonl"
    path.parent.mkdir()
    path.write_text(json.dumps(row))
    return path.parent


def check_draft_is_accepted(url: str, key: str) -> None:
    """The comparison is about one upstream call a request: an escalation would make it two."""
    body = {"model": PRESET, "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 512, "user": "u1"}
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)) as reply:
        said = json.load(reply)["cascadeflow"]
    if said["draft_accepted"] is not True:
        raise SystemExit(f"The draft of this benchmark was not accepted, so it would not compare like with like: {said['quality_metrics']}")


def measure(all_entrants: Sequence[Entrant], *, wrk: str, key: str, rounds: int, seconds: int) -> dict[tuple[Entrant, int], list[Sample]]:
    """Return the samples of each entrant and number of connections. Every entrant has its turn in every round."""
    samples: dict[tuple[Entrant, int], list[Sample]] = {}
    for entrant in all_entrants:
        run_wrk(wrk, entrant, key=key, connections=64, seconds=3, seed=0)  # fills caches, meets every end user once
    for number in range(1, rounds + 1):
        for connections in CONNECTIONS:
            for entrant in all_entrants:
                sample = run_wrk(wrk, entrant, key=key, connections=connections, seconds=seconds, seed=number)
                samples.setdefault((entrant, connections), []).append(sample)
                print(
                    f"round {number}  {entrant.kind:5} x{entrant.workers}  {connections:2} connections  {sample.per_second:8.0f} req/s"
                    f"  p50 {sample.p50:6.2f} ms  p99 {sample.p99:6.2f} ms  faults {sample.faults}", flush=True,
                )  # fmt: skip
    return samples


def run_wrk(wrk: str, entrant: Entrant, *, key: str, connections: int, seconds: int, seed: int) -> Sample:
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(ROOT / "bench/chat.lua"), entrant.url]
    environment = {**os.environ, "MODEL": PRESET, "KEY": key, "NUSERS": str(USERS), "SEED": str(seed)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout.rpartition("JSON ")[2])
    return Sample(
        per_second=said["requests"] / said["dur_us"] * 1e6, p50=said["p50"] / 1000, p99=said["p99"] / 1000, faults=sum(said[name] for name in FAULTS)
    )


def best(samples: Mapping[tuple[Entrant, int], Sequence[Sample]], kind: str, connections: int) -> dict[str, Any]:
    """Return the medians of the number of processes that served most."""
    rows = {entrant.workers: row for (entrant, number), row in samples.items() if entrant.kind == kind and number == connections}
    workers = max(rows, key=lambda count: statistics.median(sample.per_second for sample in rows[count]))
    medians = {name: round(statistics.median(getattr(sample, name) for sample in rows[workers]), 2) for name in ("per_second", "p50", "p99")}
    return {"workers": workers, "req_s": medians["per_second"], "p50_ms": medians["p50"], "p99_ms": medians["p99"]}


def write(out: Path, samples: Mapping[tuple[Entrant, int], Sequence[Sample]], *, rounds: int, seconds: int, faults: int) -> None:
    """Print the table, write the file."""
    figures = {f"{kind}_{number}": best(samples, kind, number) for kind in ("relay", "ours") for number in CONNECTIONS}
    ratios = {f"relay_{number}": round(figures[f"ours_{number}"]["req_s"] / figures[f"relay_{number}"]["req_s"], 4) for number in CONNECTIONS}
    print(f"\n{'':16}{'processes':>10}{'req/s':>10}{'p50 ms':>10}{'p99 ms':>10}")
    for name, row in figures.items():
        print(f"{name:16}{row['workers']:>10}{row['req_s']:>10.0f}{row['p50_ms']:>10.2f}{row['p99_ms']:>10.2f}")
    for name, ratio in ratios.items():
        print(f"ours / {name}: {ratio:.3f}")
    print(f"errors: {faults}")
    rates = {f"req_s_{number}": figures[f"ours_{number}"]["req_s"] for number in CONNECTIONS}
    relay_rates = {f"relay_req_s_{number}": figures[f"relay_{number}"]["req_s"] for number in CONNECTIONS}
    measured = {
        "measured_on": datetime.now(UTC).date().isoformat(), "machine": machine(), "rounds": rounds, "seconds": seconds, "errors": faults,
        "ratios": ratios, **rates, **relay_rates, "medians": figures,
        "samples": {
            f"{entrant.kind} x{entrant.workers}, {number}": [round(sample.per_second) for sample in row] for (entrant, number), row in samples.items()
        },
    }  # fmt: skip
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=2) + "\n")


def machine() -> dict[str, Any]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.machine()
    return {"processor": processor, "cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()}


if __name__ == "__main__":
    sys.exit(main())
