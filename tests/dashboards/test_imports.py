"""Budgets from a file: read, mapped to columns, compared with what there is, and then done; what is left out is a file again."""

import csv
import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tenants.models import ApiKey, Tier
from tenants.scoping import tenant_scope
from tests.cast import Cast
from tests.dashboards.scene import budget_of, budgets, fresh, logged_in


@pytest.fixture
def operator(cast: Cast) -> Client:
    return logged_in(cast.olga)


FILE = """name,scope,subject,period,limit,action,paused
Everything,tenant,,monthly,50,warn,
,tag,nightly,daily,0.25,block,no
,tier,fre,daily,1,block,
,planet,,daily,1,block,
,tag,nightly,daily,9,block,
,tag,web,daily,much,block,
"""


def test_an_import_shows_what_it_would_do_and_then_does_it(cast: Cast, operator: Client) -> None:
    kept = budget_of(cast, action="warn", name="Everything", limit_nusd=40 * 10**9)
    page = operator.post("/o/acme/budgets/import/", {"file": SimpleUploadedFile("b.csv", FILE.encode())})
    text = page.content.decode().replace("&#x27;", "'")
    assert page.context["states"] == {"new": 1, "change": 1, "same": 0, "error": 4}
    for told in ("Limit: $40.00 → $50.00", "Did you mean free?", "Unknown scope 'planet'", "the same row as line 3", "not an amount"):
        assert told in text
    assert fresh(cast, kept).limit_nusd == 40 * 10**9
    done = operator.post("/o/acme/budgets/import/", {"text": page.context["text"], "apply": "1"}, follow=True)
    assert b"2 of 6 lines are applied." in done.content
    assert fresh(cast, kept).limit_nusd == 50 * 10**9
    assert {row.subject for row in budgets(cast)} == {"", "nightly"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "has no lines"), (b"\xff\xfe", "not UTF-8"), (b"a" + b"," * 100 + b"\n1\n", "101 columns"),
        (b"limit\n" + b"1\n" * 1001, "1001 lines"), (b"x" * 400_001, "larger than"), (b'limit\n"1\n', "cannot be read"),
        (b"limit\n\x00\n", "not text"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_why(cast: Cast, operator: Client, content: bytes, told: str) -> None:
    page = operator.post("/o/acme/budgets/import/", {"file": SimpleUploadedFile("b.csv", content)} if content else {"text": ""})
    assert page.status_code == 422
    assert told in page.content.decode()


FOREIGN = """Budget limit (USD);Who;periode;Colour;subject
"1,200.00";tier;monthly;red;fre
5;tag;daily;blue;nightly
=1+1;tag;weekly;green;-2+3
"""


def of_file(client: Client, text: str, **said: Any) -> Any:
    return client.post("/o/acme/budgets/import/", {"text": text, **said})


def test_a_file_with_other_headings_asks_which_column_is_which(cast: Cast, operator: Client) -> None:
    page = of_file(operator, FOREIGN)
    assert page.status_code == 200
    assert {one["label"]: one["chosen"] for one in page.context["asked"]} == {
        "Name": "", "Scope": "", "Subject": "4", "Period": "2", "Limit": "0", "Action": "", "Paused": "",
    }  # fmt: skip
    assert "Budget limit (USD), such as 1,200.00" in page.content.decode()
    checked = of_file(operator, FOREIGN, **{"column-limit": "0", "column-scope": "1", "column-period": "2", "column-subject": "4"})
    assert checked.context["states"] == {"new": 1, "change": 0, "same": 0, "error": 2}
    assert "Did you mean free?" in checked.content.decode()
    again = of_file(operator, FOREIGN, map="1", **{"column-limit": "0", "column-scope": "1"})
    assert [one["chosen"] for one in again.context["asked"]] == ["", "1", "", "", "0", "", ""]
    said = {f"column-{column}": at for column, at in checked.context["places"].items()}
    assert b"1 of 3 lines are applied." in operator.post("/o/acme/budgets/import/", {"text": FOREIGN, "apply": "1", **said}, follow=True).content
    assert [(row.scope, row.subject, row.limit_nusd) for row in budgets(cast)] == [("tag", "nightly", 5 * 10**9)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"column-limit": "0", "column-scope": "0"}, "chosen twice"), ({"column-limit": "99"}, "no such column"),
        ({"column-limit": "-1"}, "no such column"), ({"column-limit": ""}, "one column at least"), ({"column-limit": "\u0661"}, "no such column"),
    ],
)  # fmt: skip
def test_a_choice_of_columns_that_makes_no_sense_is_asked_again(cast: Cast, operator: Client, said: dict[str, str], told: str) -> None:
    page = of_file(operator, FOREIGN, apply="1", **said)
    assert page.status_code == 422
    assert told in page.content.decode()
    assert page.context["asked"]
    assert budgets(cast) == []


def test_lines_with_errors_are_a_file_with_the_reason_that_no_spreadsheet_carries_out(cast: Cast, operator: Client) -> None:
    said = {"column-limit": "0", "column-scope": "1", "column-period": "2", "column-subject": "4"}
    file = of_file(operator, FOREIGN, errors="1", **said)
    assert file["content-disposition"] == 'attachment; filename="budgets-left-out.csv"'
    first, *rows = csv.reader(io.StringIO(file.content.decode()))
    assert first == ["Budget limit (USD)", "Who", "periode", "Colour", "subject", "why it is left out"]
    assert [(row[0], row[4]) for row in rows] == [("1,200.00", "fre"), ("'=1+1", "'-2+3")]
    assert "Did you mean free?" in rows[0][-1]
    assert "not an amount" in rows[1][-1]
    assert budgets(cast) == []


def test_a_guarded_name_of_a_file_for_people_is_read_as_it_was(cast: Cast, operator: Client) -> None:
    of_file(operator, "scope,subject,period,limit,action\nend_user,'+4915112345,daily,1,block\n", apply="1")
    assert [budget.subject for budget in budgets(cast)] == ["+4915112345"]


def test_a_file_may_name_tiers_by_their_title_and_keys_by_their_name(cast: Cast, operator: Client) -> None:
    with tenant_scope(cast.acme.id):
        Tier.objects.filter(name="pro").update(title="Professional")
        ApiKey.objects.filter(name="test").update(name="spare")
        shop = ApiKey.objects.first()
        ApiKey.objects.filter(pk=shop.pk).update(name="Web shop")
    lines = "scope,subject,period,limit\ntier,Professional,daily,1\napi_key,Web shop,daily,1\napi_key,webshop,daily,1\ntier,profesional,daily,2\n"
    page = of_file(operator, lines)
    text = page.content.decode()
    assert page.context["states"] == {"new": 2, "change": 0, "same": 0, "error": 2}
    assert "Did you mean Web shop?" in text
    assert "Did you mean Professional?" in text
    of_file(operator, lines, apply="1")
    assert {row.subject for row in budgets(cast)} == {"pro", str(shop.pk)}
    with tenant_scope(cast.acme.id):
        ApiKey.objects.update(name="spare")
    assert "There are 2 called" in of_file(operator, "scope,subject,period,limit\napi_key,spare,daily,1\n").content.decode()
