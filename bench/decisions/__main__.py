"""Measures the engine's decisions on recorded data: domains, drafts' quality, prompts' difficulty, forecasts, anomalies.

    python -m bench.decisions                                                       the table, on ../shared/data
    python -m bench.decisions domain --data ../shared/data --out domain.csv         id,pred
    python -m bench.decisions cascade --data ../shared/data --out cascade.csv       file,id,draft,score,accept
    python -m bench.decisions router --data ../shared/data --out router.csv         file,id,score
    python -m bench.decisions anomaly --data ../shared/data --out anomaly           a folder: score for each file of anomaly_nab/; daily.csv
    python -m bench.decisions forecast --data ../shared/data --out forecast.csv     series,origin,h,total

With a subject, writes what the engine decides, for shared/eval/evaluate.py. Without one, prints a line a promise: ours, ours by constants that
were fitted without the row, what is trivial, what others reach, the target. Measurements, words and thresholds were chosen with all rows in
view, so both figures flatter. Ends with 1 where a target is missed, with 2 where there is no data.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

from bench.decisions.predictions import FOLDERS, SUBJECTS, missing
from bench.decisions.table import TABLES, Row
from bench.site import ROOT

RESULTS = ROOT / "bench/results/decisions.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", nargs="?", choices=[*SUBJECTS, *FOLDERS], help="write this subject's decisions instead of the table")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data", help="folder with the recorded rows (default: ../shared/data)")
    parser.add_argument("--out", type=Path, help="where the subject's decisions go")
    parser.add_argument("--save", action="store_true", help=f"write the table to {RESULTS.relative_to(ROOT)}")
    given = parser.parse_args()
    if (given.subject is None) != (given.out is None):
        parser.error("a subject and --out go together")
    wanted = [given.subject] if given.subject else list(TABLES)
    absent = [subject for subject in wanted if missing(given.data, subject)]
    if absent:
        print(f"Not measured: {given.data} has no rows for {', '.join(absent)}. --data names another folder.", file=sys.stderr)
        return 2
    if given.subject in FOLDERS:
        FOLDERS[given.subject](given.data, given.out)
        return 0
    if given.subject:
        with given.out.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows(SUBJECTS[given.subject](given.data))
        return 0
    return _print_table(given.data, save=given.save)


def _print_table(data: Path, *, save: bool) -> int:
    rows: list[Row] = []
    for subject, table in TABLES.items():
        print(f"# {subject}", flush=True)
        for row in table(data):
            rows.append(row)
            print(_line(row), flush=True)
    if save:
        RESULTS.write_text(json.dumps([{**row._asdict(), "verdict": row.verdict} for row in rows], indent=1) + "\n", encoding="utf-8")
    met, holding = sum(row.met for row in rows), sum(row.met and row.holds for row in rows)
    print(f"{met} of {len(rows)} targets met on the rows that all was chosen on, {holding} of them by constants fitted without the row too")
    return int(met < len(rows))


def _line(row: Row) -> str:
    beside = f"without the row {row.held_out} | trivial {row.trivial} | reference {row.reference} | target {row.target}"
    return f"{row.name}: {row.ours} | {beside} | {row.verdict}"


if __name__ == "__main__":
    sys.exit(main())
