"""What finds seeded bugs: tenants who meddle, keys that come again, races, and the state machine. Each check says what it found, or None."""

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from bench.ledger.steps import walk
from bench.site import Site
from cascadeflow_site import embedded

STEPS, SEED = 5_000, 20261124
RACERS, RESERVES_EACH = 8, 60
ROUNDS, TRIES_EACH, MOST = 20, 3, 5
LEG = {"step": "draft", "provider": "bench", "model": "small", "price_version": "", "amount": 5}
Item = dict[str, Any]


def meddling(made: Site) -> str | None:
    """Another tenant settles and corrects a hold, and lets go of its key."""
    tenant, stranger = _tenant_of(made), uuid.uuid4()
    key = {"endpoint": "runs", "key": uuid.uuid4().hex, "fingerprint": "00", "ttl_s": 60}
    with _app(made) as app:
        hold = _asked(tenant, tags=["meddling"], key=key)
        _call(app, "billing_reserve", hold)
        said = [_call(app, "billing_settle", {**_settled(hold), "tenant": stranger}), _call(app, "billing_settle", _settled(hold)),
                _call(app, "billing_adjust", {**_adjusted(hold), "tenant": stranger})]  # fmt: skip
        app.execute("SELECT billing_finish_key(%s, 'runs', %s, %s, NULL, '')", [stranger, key["key"], hold["id"]])
        strange, own = (app.execute("SELECT * FROM billing_find_key(%s, 'runs', %s)", [whose, key["key"]]).fetchall() for whose in (stranger, tenant))
    if said != [["unknown"], ["closed"], ["unknown"]]:
        return f"answered {said}"
    return None if (len(strange), len(own)) == (0, 1) else f"a key was found {len(strange)} and {len(own)} times"


def second_life_of_a_key(made: Site) -> str | None:
    """A key whose time is over is claimed by another call: nothing of the first one's reply is left under it."""
    tenant, key = _tenant_of(made), {"endpoint": "runs", "key": uuid.uuid4().hex, "fingerprint": "00", "ttl_s": 60}
    first, second = (_asked(tenant, tags=["keys"], key=key) for _ in range(2))
    with _app(made) as app, psycopg.connect(made.dsn, autocommit=True) as owner:
        _call(app, "billing_reserve", first)
        app.execute("SELECT billing_finish_key(%s, 'runs', %s, %s, 200::smallint, 'the first reply')", [tenant, key["key"], first["id"]])
        owner.execute("UPDATE billing_idempotencykey SET expires_at = clock_timestamp() WHERE key = %s", [key["key"]])
        _call(app, "billing_reserve", second)
        found = app.execute("SELECT reservation_id, status, reply FROM billing_find_key(%s, 'runs', %s)", [tenant, key["key"]]).fetchall()
        _call(app, "billing_settle", _settled(first), _settled(second))
    return None if found == [(second["id"], None, b"")] else f"found {found}"


def race_for_money(made: Site) -> str | None:
    """Racers reserve in one budget and settle, each hold twice at once: nothing is over, nothing is booked twice, no error."""
    tenant, budget, limit = _tenant_of(made), uuid.uuid4(), 200
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO billing_budget (id, tenant_id, name, scope, subject, period, limit_nusd, action, soft_marks, is_paused, created_at)"
            " VALUES (%s, %s, '', 'tag', %s, 'total', %s, 'block', '{}', false, now())", [budget, tenant, str(budget), limit],
        )  # fmt: skip

    def racer() -> None:
        with _app(made) as one, _app(made) as two:
            for _ in range(RESERVES_EACH):
                hold = _asked(tenant, tags=[str(budget)])
                if "rung" in _call(one, "billing_reserve", hold)[0]:
                    wrong = _at_once([partial(_call, connection, "billing_settle", _settled(hold)) for connection in (one, two)])
                    if wrong:
                        raise RuntimeError(wrong)

    wrong = _at_once([racer] * RACERS)
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        rows = owner.execute("SELECT spent_nusd, held_nusd FROM billing_budgetwindow WHERE budget_id = %s", [budget]).fetchall()
        entries = owner.execute("SELECT count(*) FROM billing_costentry WHERE tags @> ARRAY[%s]::varchar[]", [str(budget)]).fetchall()
        owner.execute("UPDATE billing_budget SET ended_at = now(), is_paused = true WHERE id = %s", [budget])
    if wrong or len(rows) != 1:
        return wrong or f"{len(rows)} windows"
    (spent, held), booked = rows[0], entries[0][0]
    if spent > limit or held != 0 or booked != spent:
        return f"spent {spent}, held {held}, {booked} entries of a budget of {limit}"
    return None


def race_for_limits(made: Site) -> str | None:
    """Racers call for one end user after the other, who may make so many calls a minute, or have so many open: neither more nor fewer pass."""
    tenant, (hasty, crowded) = _tenant_of(made), ([uuid.uuid4() for _ in range(ROUNDS)] for _ in range(2))
    limits = {user: {"rates": [{"name": "end-user", "subject": user, "requests": MOST}], "tokens": 0} for user in hasty}
    limits |= {user: {"most_open": MOST} for user in crowded}
    start, began = threading.Barrier(RACERS, timeout=60), time.monotonic()

    def racer() -> None:
        with _app(made) as app:
            for user, limit in limits.items():
                start.wait()
                for _ in range(TRIES_EACH):
                    _call(app, "billing_reserve", {**_asked(tenant), "end_user": user, **limit})

    wrong = _at_once([racer] * RACERS)
    refilled = (time.monotonic() - began) * MOST / 60
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        counts = "SELECT end_user_id, count(*) FROM billing_reservation WHERE end_user_id = ANY (%s) GROUP BY 1"
        passed: dict[uuid.UUID, int] = dict(owner.execute(counts, [list(limits)]).fetchall())
    if wrong:
        return wrong
    for whose, users, more in (("a minute", hasty, refilled), ("open at once", crowded, 0)):
        odd = [passed.get(user, 0) for user in users if not MOST <= passed.get(user, 0) <= MOST + more]
        if odd:
            return f"{odd[0]} calls passed where {MOST} {whose} may"
    return None


def race_of_corrections(made: Site) -> str | None:
    """Racers post the same correction of the same hold, which no window guards: it is booked once."""
    tenant = _tenant_of(made)
    holds = [_asked(tenant) for _ in range(ROUNDS)]
    with _app(made) as app:
        _call(app, "billing_reserve", *holds)
        _call(app, "billing_settle", *(_settled(hold) for hold in holds))
    start = threading.Barrier(RACERS, timeout=60)

    def racer() -> None:
        with _app(made) as app:
            for hold in holds:
                start.wait()
                _call(app, "billing_adjust", _adjusted(hold))

    wrong = _at_once([racer] * RACERS)
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        count = "SELECT count(*) FROM billing_costentry WHERE kind = 'adjustment' AND reservation_id = ANY (%s)"
        ((posted,),) = owner.execute(count, [[hold["id"] for hold in holds]]).fetchall()
    return wrong or (None if posted == len(holds) else f"{posted} corrections of {len(holds)} holds")


def machine(made: Site) -> str | None:
    walked = walk(made, steps=STEPS, seed=SEED, book_every=1)
    return f"within {walked.steps:,} steps: {walked.failure}" if walked.failure else None


CHECKS: dict[str, Callable[[Site], str | None]] = {
    "the tenants' wall": meddling, "the second life of a key": second_life_of_a_key, "the race for money": race_for_money,
    "the race for limits": race_for_limits, "the race of corrections": race_of_corrections, "the state machine": machine,
}  # fmt: skip


def _at_once(jobs: Sequence[Callable[[], Any]]) -> str | None:
    """Do all of them in threads, and return what went wrong in the first one in which something did."""
    found: list[str] = []

    def do(job: Callable[[], Any]) -> None:
        try:
            job()
        except psycopg.Error as wrong:
            found.append(f"{type(wrong).__name__}: {wrong.diag.message_primary}")
        except Exception as wrong:  # in a thread it would go unseen
            found.append(f"{type(wrong).__name__}: {wrong}")

    threads = [threading.Thread(target=do, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found[0] if found else None


def _app(made: Site) -> psycopg.Connection:
    return psycopg.connect(made.dsn.replace("postgres:@", f"{embedded.APP}:@"), autocommit=True)


def _asked(tenant: uuid.UUID, *, tags: Sequence[str] = (), **fields: Any) -> Item:
    return {
        "id": uuid.uuid4(), "tenant": tenant, "zone": "UTC", "owner": "checks", "ttl_s": 600, "end_user": None, "end_user_name": None,
        "api_key": None, "tier": None, "tags": tags, "unpriced": False, "labels": {"tags": tags},
        "rungs": [{"amount": LEG["amount"], "legs": [LEG]}], **fields,
    }  # fmt: skip


def _settled(hold: Item) -> Item:
    return {"id": hold["id"], "tenant": hold["tenant"], "state": "settled", "entries": [{**LEG, "amount": 1, "leg": 0, "kind": "settled"}]}


def _adjusted(hold: Item) -> Item:
    return {"tenant": hold["tenant"], "reservation": hold["id"], "leg": 0, "amount": 1, "actor": "bench", "reason": "bench", "reference": "bench"}


def _tenant_of(made: Site) -> uuid.UUID:
    with psycopg.connect(made.dsn, autocommit=True) as owner:
        (row,) = owner.execute("SELECT id FROM tenants_tenant WHERE slug = 'bench'").fetchall()
    found: uuid.UUID = row[0]
    return found


def _call(connection: psycopg.Connection, function: str, *items: Item) -> list[Any]:
    rows = connection.execute(f"SELECT * FROM {function}(%s)".encode(), [Jsonb(items, dumps=msgspec.json.encode)]).fetchall()
    return [answer for _, answer in rows]
