"""REST for looking ahead: forecasts of last night, one series at the moment, the end of the month, and when budgets run out."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from billing import outlook
from billing.api.fields import UsdField
from billing.engine.forecasting.exhaustion import Exhaustion
from billing.engine.forecasting.series import Step
from billing.models import DayRollup, Forecast
from tenants.api.base import ScopedViewMixin, TenantModelSerializer
from tenants.api.filtering import StrictFilters
from tenants.authentication import caller_of
from tenants.models import Tenant
from tenants.permissions import MANAGEMENT

DEFAULT_STEPS = {Step.HOUR: 24, Step.DAY: 30, Step.WEEK: 8}
DIMENSIONS = [choice.value for choice in DayRollup.Dimension]
OF_HOURS = ["all", "end_user", "tier", "model", "domain", "api_key"]
"""The dimensions that are summed by the quarter of an hour."""


class EstimateSerializer(serializers.Serializer[Any]):
    expected = UsdField(source="expected_nusd", read_only=True)
    low = UsdField(source="low_nusd", read_only=True, help_text="With four out of five it is not less ...")
    high = UsdField(source="high_nusd", read_only=True, help_text="... and not more than this.")


class PathStepSerializer(serializers.Serializer[Any]):
    begins = serializers.SerializerMethodField(help_text="A date of the tenant's, or for hours a time in UTC.")
    spend = EstimateSerializer(help_text="In this step.")
    in_all = EstimateSerializer(help_text="In this step and those before it.")

    def get_begins(self, step: Any) -> str:
        return str(step.begins.isoformat())


class PredictionSerializer(serializers.Serializer[Any]):
    """A forecast, and how far it can be trusted. With a `reason` there is no path."""

    step = serializers.ChoiceField(choices=[step.value for step in Step])
    total = EstimateSerializer(allow_null=True, help_text="Over the whole path.")
    path = PathStepSerializer(many=True)
    method = serializers.CharField(help_text="The method that counts most.")
    error = serializers.FloatField(
        source="wape", allow_null=True, help_text="Back-tested on the series' own past: the mean error of totals as a share of what came."
    )
    coverage = serializers.FloatField(allow_null=True, help_text="Back-tested: the share of totals that fell into their 80 % interval.")
    tests = serializers.IntegerField(help_text="How many back-tests.")
    tested_steps = serializers.IntegerField(help_text="Over how many steps each went: fewer than the path has while the series is young.")
    history_days = serializers.IntegerField()
    is_early = serializers.BooleanField(help_text="Made of less than two weeks: an early estimate.")
    reason = serializers.CharField(help_text="Why nothing can be said; empty where something can.")


class SeriesQuerySerializer(serializers.Serializer[Any]):
    dimension = serializers.ChoiceField(choices=DIMENSIONS, default="all")
    value = serializers.CharField(default="", allow_blank=True, max_length=255, help_text="Of the dimension, as spend is listed; empty for `all`.")
    step = serializers.ChoiceField(choices=[step.value for step in Step], default=Step.DAY.value)
    steps = serializers.IntegerField(required=False, min_value=1, help_text="How many ahead. Without it 24 hours, 30 days or 8 weeks.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        step = Step(attrs["step"])
        steps = attrs.setdefault("steps", DEFAULT_STEPS[step])
        if steps > outlook.MOST_STEPS[step]:
            raise ValidationError({"steps": f"A forecast looks at most {outlook.MOST_STEPS[step]} {step}s ahead."})
        if step is Step.HOUR and attrs["dimension"] not in OF_HOURS:
            raise ValidationError({"dimension": f"Hours are summed for {', '.join(OF_HOURS)}. Ask for days, or for one of these."})
        if (attrs["dimension"] == "all") != (attrs["value"] == ""):
            raise ValidationError({"value": "Name the value of the dimension; for `all` leave it out."})
        return attrs


class NameQuerySerializer(serializers.Serializer[Any]):
    dimension = serializers.ChoiceField(choices=DIMENSIONS, default="all")
    value = serializers.CharField(default="", allow_blank=True, max_length=255)


class MonthEndSerializer(serializers.Serializer[Any]):
    month = serializers.DateField(help_text="Its first day.")
    spent = UsdField(source="spent_nusd", read_only=True, help_text="So far.")
    estimate = EstimateSerializer(allow_null=True, help_text="What the month will have cost.")
    prediction = PredictionSerializer(help_text="Of the days from today on.")


class RunsOutSerializer(serializers.Serializer[Any]):
    """When spend reaches the limit: a date of the tenant's, or for a budget of a day a time in UTC. Null: not within the window."""

    expected = serializers.SerializerMethodField()
    earliest = serializers.SerializerMethodField(help_text="With four out of five it is not before ...")
    latest = serializers.SerializerMethodField(help_text="... and not after this.")
    looked_until = serializers.SerializerMethodField()
    words = serializers.SerializerMethodField()

    def get_expected(self, found: Exhaustion) -> str | None:
        return found.expected.isoformat() if found.expected else None

    def get_earliest(self, found: Exhaustion) -> str | None:
        return found.earliest.isoformat() if found.earliest else None

    def get_latest(self, found: Exhaustion) -> str | None:
        return found.latest.isoformat() if found.latest else None

    def get_looked_until(self, found: Exhaustion) -> str:
        return found.looked_until.isoformat()

    def get_words(self, found: Exhaustion) -> str:
        return found.words(zone=self.context["zone"])


class BudgetOutlookSerializer(serializers.Serializer[Any]):
    budget = serializers.UUIDField(source="budget.pk")
    name = serializers.CharField(source="budget")
    subject = serializers.CharField(help_text="Id of the end user whose window it is, or empty.")
    start_at = serializers.DateTimeField()
    end_at = serializers.DateTimeField()
    limit = UsdField(source="limit_nusd", read_only=True)
    spent = UsdField(source="spent_nusd", read_only=True)
    at_end = EstimateSerializer(allow_null=True, help_text="Spent when the window ends. Null for a budget over all time.")
    is_over = serializers.BooleanField(help_text="Is more expected to be spent than the limit?")
    runs_out = RunsOutSerializer(allow_null=True)
    error = serializers.FloatField(source="prediction.wape", allow_null=True)
    coverage = serializers.FloatField(source="prediction.coverage", allow_null=True)
    is_early = serializers.BooleanField(source="prediction.is_early")
    reason = serializers.CharField(source="prediction.reason")


class ForecastSerializer(TenantModelSerializer[Forecast]):
    week = UsdField(source="week_nusd", read_only=True, help_text="Expected on the next 7 days.")
    week_low = UsdField(source="week_low_nusd", read_only=True)
    week_high = UsdField(source="week_high_nusd", read_only=True)
    month = UsdField(source="month_nusd", read_only=True, help_text="Expected on the next 30 days.")
    month_low = UsdField(source="month_low_nusd", read_only=True)
    month_high = UsdField(source="month_high_nusd", read_only=True)

    class Meta:
        model = Forecast
        fields = [
            "dimension", "value", "made_on", "age_days", "week", "week_low", "week_high", "month", "month_low", "month_high", "error", "coverage",
            "tests",
        ]  # fmt: skip
        read_only_fields = fields


class ForecastFilters(filters.FilterSet):
    dimension = filters.ChoiceFilter(choices=[(name, name) for name in DIMENSIONS])
    value = filters.CharFilter()


class ForecastViewSet(ScopedViewMixin, ListModelMixin, GenericViewSet[Forecast]):
    """What names will probably cost, as of last night: dearest first."""

    required_scopes = MANAGEMENT
    serializer_class = ForecastSerializer
    filterset_class = ForecastFilters
    filter_backends = [StrictFilters]
    page_ordering = ("-month_nusd", "dimension", "value")

    def get_queryset(self) -> QuerySet[Forecast]:
        return Forecast.objects.none() if getattr(self, "swagger_fake_view", False) else Forecast.objects.all()

    @extend_schema(parameters=[SeriesQuerySerializer], responses=PredictionSerializer, filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def series(self, request: Request) -> Response:
        """Forecast one series now: its path step by step with 80 % intervals, and the error of such forecasts in its own past."""
        given = _asked(SeriesQuerySerializer, request)
        found = outlook.predict(
            dimension=given["dimension"], value=given["value"], step=Step(given["step"]), horizon=given["steps"], zone=_zone(request),
            now=timezone.now(),
        )  # fmt: skip
        return Response(PredictionSerializer(found).data)

    @extend_schema(parameters=[NameQuerySerializer], responses=MonthEndSerializer, filters=False)
    @action(detail=False, methods=["get"], url_path="month-end", pagination_class=None)
    def month_end(self, request: Request) -> Response:
        """What the running month will have cost at its end."""
        given = _asked(NameQuerySerializer, request)
        found = outlook.month_end_of(dimension=given["dimension"], value=given["value"], zone=_zone(request), now=timezone.now())
        return Response(MonthEndSerializer(found).data)

    @extend_schema(responses=BudgetOutlookSerializer(many=True), filters=False)
    @action(detail=False, methods=["get"], pagination_class=None)
    def budgets(self, request: Request) -> Response:
        """How the running windows of budgets will probably end, those that run out first first. Not those that each end user has."""
        zone = _zone(request)
        found = outlook.budget_outlooks(zone=zone, now=timezone.now())
        return Response(BudgetOutlookSerializer(found, many=True, context={"zone": zone}).data)


def _asked(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """Return what the query asks for. A misspelt parameter must not answer something else."""
    known = set(serializer().fields)
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise ValidationError({name[:60]: f"There is no such parameter. Known are: {', '.join(sorted(known))}." for name in unknown})
    asked = serializer(data=request.query_params)
    asked.is_valid(raise_exception=True)
    given: dict[str, Any] = asked.validated_data
    return given


def _zone(request: Request) -> str:
    return Tenant.objects.get(pk=caller_of(request).tenant_id).time_zone
