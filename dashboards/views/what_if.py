"""What if? A question in the address, and beside it what the last days would have come to. Nothing is changed and nobody is called."""

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from cascade.engine.domains import DOMAINS
from cascade.replaying import MOST_DAYS, MOST_RUNS
from dashboards.forms.what_if import Question
from dashboards.screens.what_if import answer_to, offers
from dashboards.shell import may_wait, membership_of, show_piece


def what_if(request: HttpRequest) -> HttpResponse:
    now, tenant = timezone.now(), membership_of(request).tenant
    offered = offers()
    question = Question(request.GET, offers=offered)
    makes_sense = question.is_asked and question.is_valid()
    is_later = makes_sense and not may_wait(request)
    answer = answer_to(question, tenant=tenant, now=now) if makes_sense and not is_later else None
    context = {
        "question": question, "answer": answer, "domains": DOMAINS, "subjects": offered["whom"], "most_days": MOST_DAYS, "most_runs": MOST_RUNS,
        "is_later": is_later,
    }
    status = 422 if question.is_asked and answer is None and not is_later else 200
    return show_piece(request, "console/what_if/piece.html", "console/what_if/page.html", context, title="What if?", now=now, status=status)
