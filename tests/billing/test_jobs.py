"""Work outside requests: when it is due, who has it, and what is told of it."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from billing import jobs
from billing.jobs import JOBS, Job, is_late, job, run_job
from billing.models import JobStanding
from tests.cast import Cast

pytestmark = pytest.mark.django_db
ALWAYS = timedelta(0)
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def work(_now: datetime) -> str:
    return "counted 3 beans"


@pytest.fixture
def beans() -> Iterator[Job]:
    job(name="tests.beans", every=timedelta(hours=1), limit_s=5)(work)
    yield JOBS["tests.beans"]
    del JOBS["tests.beans"]


def standing() -> JobStanding:
    return JobStanding.objects.get(pk="tests.beans")


def test_a_run_leaves_when_it_was_how_long_it_took_and_what_it_did(beans: Job) -> None:
    assert run_job(beans, now=NOW)
    found = standing()
    assert (found.result, found.runs, found.failures, found.holder, found.failure) == ("counted 3 beans", 1, 0, "", "")
    assert found.took_ms is not None
    assert found.started_at
    assert found.ended_at
    assert found.started_at <= found.ended_at == found.succeeded_at


def test_a_job_that_ran_well_is_not_due_before_its_time(beans: Job) -> None:
    assert run_job(beans, now=NOW)
    assert not run_job(beans, now=NOW)
    assert standing().runs == 1
    JobStanding.objects.update(succeeded_at=datetime.now(UTC) - timedelta(minutes=59, seconds=1))
    assert run_job(beans, now=NOW)


def test_a_job_that_failed_is_due_at_once_and_says_what_went_wrong(beans: Job) -> None:
    def fail(_now: datetime) -> str:
        raise ValueError("no beans\nDETAIL: Key (email)=(ann@example.com)")

    with pytest.raises(ValueError, match="no beans"):
        run_job(Job(name="tests.beans", work=fail, every=beans.every, limit_s=5), now=NOW)
    assert (standing().failure, standing().failures, standing().succeeded_at) == ("ValueError: no beans", 1, None)
    assert run_job(beans, now=NOW)
    assert (standing().result, standing().failures) == ("counted 3 beans", 1)


def test_a_job_that_another_run_has_is_left_alone_until_its_limit_is_over(beans: Job) -> None:
    run_job(beans, now=NOW)
    JobStanding.objects.update(holder="somebody", held_until=datetime.now(UTC) + timedelta(seconds=9))
    assert not run_job(beans, now=NOW, rest=ALWAYS)
    JobStanding.objects.update(held_until=datetime.now(UTC) - timedelta(seconds=1))
    assert run_job(beans, now=NOW, rest=ALWAYS)


def test_a_run_that_says_that_it_lives_holds_its_job_for_another_lease(beans: Job) -> None:
    held = []

    def long_work(_now: datetime) -> str:
        for _ in range(2):
            held.append(standing().held_until)
            jobs.say_alive()
        return "counted many beans"

    leased = Job(name="tests.beans", work=long_work, every=beans.every, limit_s=3600, lease_s=60)
    assert run_job(leased, now=NOW)
    assert held[0] is not None
    assert held[1] is not None
    assert held[0] < held[1] <= datetime.now(UTC) + timedelta(seconds=60)
    jobs.say_alive()  # outside of a run it says nothing
    assert standing().held_until is None


def test_a_run_that_counted_as_dead_does_not_end_the_one_after_it(beans: Job) -> None:
    def outlived(_now: datetime) -> str:
        JobStanding.objects.update(holder="the next one")
        return "late"

    run_job(Job(name="tests.beans", work=outlived, every=beans.every, limit_s=5), now=NOW)
    assert (standing().holder, standing().result) == ("the next one", "")


def test_every_job_of_the_site_has_a_limit_and_is_asked_for_often_enough_to_be_taken_up_again() -> None:
    call_command("jobs", "--run", "billing.sum_quarters", stdout=io.StringIO())
    assert {"billing.sweep", "billing.sum_quarters", "billing.forget_keys"} <= set(JOBS)
    for found in JOBS.values():
        assert 0 < found.limit_s <= 2 * 3600
        assert found.asked_every_s <= jobs.ASKED_EVERY.total_seconds()
        assert found.rest < found.every


def test_the_command_shows_what_is_late_and_runs_what_is_asked_for(beans: Job) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("jobs", stdout=out)
    assert "tests.beans                  LATE  never ran" in out.getvalue()
    out = io.StringIO()
    call_command("jobs", "--run", "tests.beans", stdout=out)
    assert out.getvalue() == "tests.beans: counted 3 beans\n"
    with pytest.raises(CommandError, match=r"No job is called 'tests.peas'\. There are: billing"):
        call_command("jobs", "--run", "tests.peas")


def test_a_job_is_late_after_three_periods_without_success() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    made = JobStanding(name="x", every_seconds=60, succeeded_at=now - timedelta(seconds=180))
    assert not is_late(made, now=now)
    assert is_late(made, now=now + timedelta(seconds=1))
    assert is_late(JobStanding(name="x", every_seconds=60), now=now)
    made.holder, made.held_until = "a run under way", now + timedelta(seconds=60)
    assert not is_late(made, now=now + timedelta(seconds=59))
    assert is_late(made, now=now + timedelta(seconds=60))


def test_staff_see_the_jobs_and_operators_do_not(cast: Cast, beans: Job) -> None:
    run_job(beans, now=NOW)
    client = Client()
    client.force_login(cast.root, backend="django.contrib.auth.backends.ModelBackend")
    page = client.get("/admin/billing/jobstanding/", secure=True)
    assert page.status_code == 200
    assert "counted 3 beans" in page.content.decode()
    client.force_login(cast.olga, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get("/admin/billing/jobstanding/", secure=True).status_code == 302
