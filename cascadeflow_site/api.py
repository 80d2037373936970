"""The one list of REST routes, and the one exception handler."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView

from billing.api.alert_channels import AlertChannelViewSet
from billing.api.alert_rules import AlertRuleViewSet
from billing.api.alerts import AlertViewSet
from billing.api.anomalies import AnomalyViewSet
from billing.api.budgets import BudgetMarkViewSet, BudgetViewSet, EndUserSummaryViewSet
from billing.api.forecasts import ForecastViewSet
from billing.api.holds import HoldViewSet
from billing.api.quarantine import QuarantinedModelViewSet
from billing.api.views import CostEntryViewSet, PlatformPriceViewSet, PriceViewSet
from cascade.api.end_users import EndUserDataViewSet
from cascade.api.enforcement_hooks import EnforcementHookViewSet
from cascade.api.exports import ExportViewSet, export_file
from cascade.api.month_closes import MonthCloseViewSet
from cascade.api.policy_replays import PolicyReplayViewSet
from cascade.api.presets import PresetViewSet
from cascade.api.reconciliations import ReconciliationViewSet
from cascade.api.report_schedules import ReportScheduleViewSet
from cascade.api.runs import RunViewSet
from cascade.api.savings import SavingsViewSet
from cascade.api.standing import StandingViewSet
from cascade.api.views import CatalogModelViewSet, DomainRuleViewSet, ProviderConnectionViewSet, TierPolicyViewSet
from cascadeflow_site.problems import problem_response
from tenants.api.audit import AuditEntryViewSet
from tenants.api.end_users_by_name import EndUserByNameViewSet
from tenants.api.views import ApiKeyViewSet, ErasureViewSet, TenantSettingsViewSet, TierViewSet

__all__ = ["problem_response", "router", "urlpatterns"]

router = SimpleRouter()
router.trailing_slash = "/?"
router.register("api-keys", ApiKeyViewSet, basename="api-key")
router.register("end-users", EndUserByNameViewSet, basename="end-user-by-name")  # before those with an id: "lookup" is none
router.register("end-users", EndUserDataViewSet, basename="end-user")
router.register("end-users", EndUserSummaryViewSet, basename="end-user-summary")
router.register("end-users", StandingViewSet, basename="end-user-standing")
router.register("audit-entries", AuditEntryViewSet, basename="audit-entry")
router.register("erasures", ErasureViewSet, basename="erasure")
router.register("tenant", TenantSettingsViewSet, basename="tenant")
router.register("tiers", TierViewSet, basename="tier")
router.register("tier-policies", TierPolicyViewSet, basename="tier-policy")
router.register("presets", PresetViewSet, basename="preset")
router.register("enforcement-hooks", EnforcementHookViewSet, basename="enforcement-hook")
router.register("domain-rules", DomainRuleViewSet, basename="domain-rule")
router.register("providers", ProviderConnectionViewSet, basename="provider")
router.register("models", CatalogModelViewSet, basename="model")
router.register("prices", PriceViewSet, basename="price")
router.register("platform-prices", PlatformPriceViewSet, basename="platform-price")
router.register("budgets", BudgetViewSet, basename="budget")
router.register("budget-marks", BudgetMarkViewSet, basename="budget-mark")
router.register("anomalies", AnomalyViewSet, basename="anomaly")
router.register("forecasts", ForecastViewSet, basename="forecast")
router.register("alerts", AlertViewSet, basename="alert")
router.register("alert-channels", AlertChannelViewSet, basename="alert-channel")
router.register("alert-rules", AlertRuleViewSet, basename="alert-rule")
router.register("cost-entries", CostEntryViewSet, basename="cost-entry")
router.register("reconciliations", ReconciliationViewSet, basename="reconciliation")
router.register("month-closes", MonthCloseViewSet, basename="month-close")
router.register("quarantined-models", QuarantinedModelViewSet, basename="quarantined-model")
router.register("exports", ExportViewSet, basename="export")
router.register("report-schedules", ReportScheduleViewSet, basename="report-schedule")
router.register("holds", HoldViewSet, basename="hold")
router.register("runs", RunViewSet, basename="run")
router.register("policy-replays", PolicyReplayViewSet, basename="policy-replay")
router.register("savings", SavingsViewSet, basename="saving")


class NoSuchRoute(APIView):
    """Answers for addresses under /api/ that are none, in the form of all other errors."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    schema = None

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound


urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/export-files/<str:token>", export_file, name="export-file"),
    path("v1/", include(router.urls)),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path("docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    re_path("", NoSuchRoute.as_view()),
]
