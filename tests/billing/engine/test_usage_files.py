"""Usage files are read whatever their size, and every wrong line is named."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.engine import usage_files
from billing.engine.usage_files import Billed, InvalidUsageFile, read_usage

INVOICE = "date,model,user,requests,prompt_tokens,completion_tokens\n"
OPENAI = (
    "start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,input_tokens,"
    "output_tokens,input_cached_tokens,input_uncached_tokens\n"
)


def read(text: str) -> dict[tuple[str, str, str], Billed]:
    found = read_usage(text.splitlines(keepends=True))
    return {(day.isoformat(), model, user): billed for (day, model, user), billed in found.groups.items()}


def wrong(text: str) -> list[str]:
    with pytest.raises(InvalidUsageFile) as found:
        read(text)
    return [str(problem) for problem in found.value.problems]


def test_an_invoice_is_summed_by_day_model_and_user() -> None:
    text = INVOICE + "2026-11-01,gpt,ann,2,10,20\n2026-11-01,gpt,ann,1,1,2\n2026-11-02,gpt,,3,0,0\n"
    assert read(text) == {("2026-11-01", "gpt", "ann"): Billed(3, 11, 0, 0, 22), ("2026-11-02", "gpt", ""): Billed(3, 0, 0, 0, 0)}
    found = read_usage(text.splitlines(keepends=True))
    assert (found.format, found.lines, found.days) == ("invoice", 4, (date(2026, 11, 1), date(2026, 11, 2)))


def test_openais_export_is_summed_over_minutes_and_keys() -> None:
    rows = [
        "1761523200,1761523260,2025-10-27T00:00:00+00:00,2025-10-27T00:01:00+00:00,proj_1,3.0,user-x,key_1,gpt-4o-mini-2024-07-18,False,,7162,100,1280,5882",
        "1761523260,1761523320,2025-10-27T00:01:00+00:00,2025-10-27T00:02:00+00:00,proj_1,1.0,user-x,key_2,gpt-4o-mini-2024-07-18,false,default,10,1,,10",
        "1761523320,1761523380,2025-10-27T00:02:00+00:00,2025-10-27T00:03:00+00:00,,,,,,,,,,,",
        "1761523380,1761523440,2025-10-27T00:03:00+00:00,2025-10-27T00:04:00+00:00,proj_1,5,user-x,key_1,gpt-4o-mini-2024-07-18,True,,50,5,0,50",
    ]
    model = "gpt-4o-mini-2024-07-18"
    assert read(OPENAI + "\n".join(rows)) == {
        ("2025-10-27", model, "user-x"): Billed(4, 7172, 1280, 0, 101), ("2025-10-27", f"{model} (batch)", "user-x"): Billed(5, 50, 0, 0, 5),
    }  # fmt: skip


def test_days_are_utc_and_times_may_be_iso() -> None:
    head = "start_time,model,num_model_requests,input_tokens,output_tokens\n"
    rows = "2026-11-01T23:30:00-02:00,gpt,1,1,1\n1793577599,gpt,1,1,1\n"
    assert [day for day, _, _ in read(head + rows)] == ["2026-11-02", "2026-11-01"]


def test_other_delimiters_a_byte_order_mark_quotes_and_empty_lines_are_fine() -> None:
    for delimiter in ";\t":
        assert read("\ufeff" + (INVOICE + "2026-11-01,gpt,ann,2,10,20\n").replace(",", delimiter))
    assert list(read(INVOICE + '\n2026-11-01,"gpt, new",ann,2,10,20\n\n')) == [("2026-11-01", "gpt, new", "ann")]


def test_columns_may_stand_in_any_order_and_cached_tokens_are_told() -> None:
    text = "user,cached_tokens,completion_tokens,prompt_tokens,requests,model,Date\nann,4,2,9,1,gpt,2026-11-01\n"
    assert read(text) == {("2026-11-01", "gpt", "ann"): Billed(1, 9, 4, 0, 2)}


def test_a_file_of_another_kind_is_told_which_columns_are_needed() -> None:
    (found,) = wrong("timestamp,model,cost\n1,gpt,3\n")
    assert found.startswith("line 1: there is no column ")
    assert "invoice: date, model, user, requests, prompt_tokens, completion_tokens" in found
    assert "OpenAI usage: start_time, model, num_model_requests, input_tokens, output_tokens" in found
    (found,) = wrong("date,model,user,requests,prompt_tokens\n")
    assert found.startswith("line 1: there is no column completion_tokens. Needed")
    assert wrong("date,date,model\n") == ["line 1: the column 'date' stands here twice"]


def test_every_wrong_line_is_named() -> None:
    rows = [
        "2026-11-01,gpt,ann,1,1,1", "yesterday,gpt,ann,1,1,1", "2026-11-01,,ann,1,1,1", "2026-11-01,gpt,ann,1.5,1,1", "2026-11-01,gpt,ann,1,-1,1",
        "2026-11-01,gpt,ann,1,1", "2026-11-01,gpt,ann,1,1,1e999990", f"2026-11-01,{'g' * 201},ann,1,1,1", "1026-11-01,gpt,ann,1,1,1",
    ]  # fmt: skip
    assert [line.split(":")[0] for line in wrong(INVOICE + "\n".join(rows))] == [f"line {number}" for number in range(3, 11)]
    head = "date,model,user,requests,prompt_tokens,completion_tokens,cached_tokens\n"
    assert wrong(head + "2026-11-01,gpt,ann,1,3,1,4\n") == ["line 2: more tokens are cached than were sent"]
    (found,) = wrong(OPENAI + "1761523200,,,,,1,,,,,,5,1,,\n")
    assert found == "line 2: the model is not named: export the usage grouped by model"


def test_it_stops_at_so_many_problems_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(wrong(INVOICE + "x\n" * 500)) == usage_files.MOST_PROBLEMS
    monkeypatch.setattr(usage_files, "MOST_GROUPS", 10)
    (found,) = wrong(INVOICE + "".join(f"2026-11-01,gpt,{number},1,1,1\n" for number in range(50)))
    assert found == "line 12: more than 10 groups of day, model and user: split the file by days"


def test_what_is_empty_or_no_text_is_said() -> None:
    assert wrong("")[0].startswith("line 1: there is no column")
    assert wrong(INVOICE) == ["line 1: the file lists no usage"]
    assert wrong(INVOICE + '2026-11-01,"gpt,ann,1,1,1\n')[0].startswith("line 2: this is no CSV")


@given(st.sampled_from(["", INVOICE, OPENAI]), st.text(max_size=300))
def test_no_text_gets_past_the_reader(head: str, text: str) -> None:
    problems: list[object] = []
    try:
        groups = dict(read_usage((head + text).splitlines(keepends=True)).groups)
    except InvalidUsageFile as refused:
        groups, problems = {}, [*refused.problems]
    assert groups or problems
