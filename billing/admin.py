"""The staff admin of money: to look at. The ledger alone writes money; budgets and prices are set by their tenants."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from billing.alerting.channels import change_channel, shown_address
from billing.engine.money import to_usd
from billing.erasure import forget_end_user
from billing.jobs import is_late
from billing.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertMessage,
    AlertRule,
    Anomaly,
    Budget,
    BudgetMark,
    BudgetWindow,
    CloseOfMonth,
    CostEntry,
    ExportJob,
    IdempotencyKey,
    JobStanding,
    LedgerOwner,
    LedgerState,
    ModelPrice,
    PlatformPrice,
    QuarantinedModel,
    Reconciliation,
    ReportSchedule,
    Reservation,
)
from billing.models.prices import PriceVersion
from tenants.admin import EndUserAdmin, ReadOnlyPlatformAdmin, ReadOnlyTenantAdmin, TenantModelAdmin
from tenants.models import EndUser
from tenants.scoping import tenant_scope


@admin.register(EndUser)
class ErasableEndUserAdmin(EndUserAdmin):
    """To delete an end user is to erase them: their money stays booked under the derived id, and so does the log of it."""

    def delete_model(self, request: HttpRequest, obj: EndUser) -> None:
        with tenant_scope(obj.tenant_id):
            forget_end_user(external_id=obj.external_id, actor=f"staff {request.user}", now=timezone.now())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[EndUser]) -> None:
        for end_user in list(queryset):
            self.delete_model(request, end_user)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> list[LogEntry]:
        assert request.user.pk is not None
        content_type = ContentType.objects.get_for_model(EndUser)
        return [
            LogEntry.objects.create(
                user_id=request.user.pk, content_type=content_type, object_id=str(end_user.pk), object_repr=str(end_user.pk), action_flag=DELETION
            )
            for end_user in queryset
        ]


@admin.register(Budget)
class BudgetAdmin(TenantModelAdmin):
    """Staff may pause and rename a budget, not move its limit."""

    list_display = ["__str__", "tenant", "scope", "subject", "period", "limit", "action", "is_paused", "ended_at"]
    list_filter = ["tenant", "scope", "period", "action", "is_paused"]
    search_fields = ["name", "subject"]
    fields = ["name", "is_paused", "scope", "subject", "period", "limit", "action", "soft_marks", "created_at", "ended_at"]
    readonly_fields = ["scope", "subject", "period", "limit", "action", "soft_marks", "created_at", "ended_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="limit, USD", ordering="limit_nusd")
    def limit(self, budget: Budget) -> str:
        return to_usd(budget.limit_nusd)


class PriceColumns:
    @admin.display(description="input, USD per million tokens")
    def input_usd(self, price: PriceVersion) -> str:
        return to_usd(price.input_nusd)

    @admin.display(description="output, USD per million tokens")
    def output_usd(self, price: PriceVersion) -> str:
        return to_usd(price.output_nusd)


@admin.register(ModelPrice)
class ModelPriceAdmin(PriceColumns, ReadOnlyTenantAdmin):
    list_display = ["model", "tenant", "input_usd", "output_usd", "valid_from", "valid_to", "source"]
    search_fields = ["model"]


@admin.register(BudgetWindow)
class BudgetWindowAdmin(ReadOnlyTenantAdmin):
    list_display = ["budget", "tenant", "subject", "start_at", "end_at", "spent", "held"]
    list_filter = ["tenant", "budget"]
    list_select_related = ["tenant", "budget"]
    search_fields = ["subject"]

    @admin.display(description="spent, USD")
    def spent(self, window: BudgetWindow) -> str:
        return to_usd(window.spent_nusd)

    @admin.display(description="held, USD")
    def held(self, window: BudgetWindow) -> str:
        return to_usd(window.held_nusd)


@admin.register(Alert)
class AlertAdmin(ReadOnlyTenantAdmin):
    list_display = ["raised_at", "tenant", "kind", "severity", "subject", "state", "resolved_at"]
    list_filter = ["tenant", "kind", "severity", "state"]
    search_fields = ["subject"]


@admin.register(AlertChannel)
class AlertChannelAdmin(TenantModelAdmin):
    """Channels are made by their tenants: address and secret are theirs, and never shown. Staff may switch one off, and on again."""

    list_display = ["name", "tenant", "kind", "is_active", "failing_since", "last_delivered_at", "last_problem"]
    list_filter = ["tenant", "kind", "is_active"]
    search_fields = ["name"]
    fields = [
        "is_active", "name", "kind", "recipients", "leads_to", "off_because", "failing_since", "last_problem", "last_delivered_at", "created_at",
    ]  # fmt: skip
    readonly_fields = [
        "name", "kind", "recipients", "leads_to", "off_because", "failing_since", "last_problem", "last_delivered_at", "created_at",
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="leads to")
    def leads_to(self, channel: AlertChannel) -> str:
        return shown_address(channel)

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: Any, change: bool) -> None:  # noqa: FBT001
        change_channel(channel=obj, changes={name: getattr(obj, name) for name in form.changed_data})


@admin.register(AlertRule)
class AlertRuleAdmin(ReadOnlyTenantAdmin):
    list_display = ["__str__", "tenant", "channel", "pace", "is_active"]
    list_filter = ["tenant", "channel", "is_active"]
    list_select_related = ["tenant", "channel"]


@admin.register(AlertMessage)
class AlertMessageAdmin(ReadOnlyTenantAdmin):
    list_display = ["created_at", "tenant", "channel", "event", "state", "attempts", "due_at", "sent_at"]
    list_filter = ["tenant", "channel", "event", "state"]
    list_select_related = ["tenant", "channel"]


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyTenantAdmin):
    list_display = ["at", "tenant", "channel", "attempt", "is_ok", "status_code", "milliseconds", "problem"]
    list_filter = ["tenant", "channel", "is_ok"]
    list_select_related = ["tenant", "channel"]


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyTenantAdmin):
    list_display = ["id", "tenant", "state", "amount", "created_at", "expires_at", "closed_at"]
    list_filter = ["tenant", "state"]

    @admin.display(description="held, USD")
    def amount(self, hold: Reservation) -> str:
        return to_usd(hold.amount_nusd)


@admin.register(CostEntry)
class CostEntryAdmin(ReadOnlyTenantAdmin):
    list_display = ["booked_at", "tenant", "kind", "model", "amount", "step", "outcome"]
    list_filter = ["tenant", "kind"]
    search_fields = ["reservation_id"]

    @admin.display(description="amount, USD")
    def amount(self, entry: CostEntry) -> str:
        return to_usd(entry.amount_nusd)


@admin.register(BudgetMark)
class BudgetMarkAdmin(ReadOnlyTenantAdmin):
    list_display = ["reached_at", "tenant", "window", "percent"]
    list_filter = ["tenant"]
    list_select_related = ["tenant", "window"]


@admin.register(QuarantinedModel)
class QuarantinedModelAdmin(ReadOnlyTenantAdmin):
    list_display = ["since", "tenant", "provider", "model", "reason", "cleared_at", "cleared_by"]
    list_filter = ["tenant"]
    search_fields = ["model"]


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyTenantAdmin):
    """The reply stays out of sight: it is the customer's."""

    list_display = ["created_at", "tenant", "endpoint", "key", "status", "expires_at"]
    list_filter = ["tenant", "endpoint"]
    search_fields = ["key"]
    exclude = ["reply", "fingerprint"]


@admin.register(Reconciliation)
class ReconciliationAdmin(ReadOnlyTenantAdmin):
    list_display = ["created_at", "tenant", "provider", "first_day", "last_day", "difference", "approved_by"]
    list_filter = ["tenant", "provider"]

    @admin.display(description="difference, USD")
    def difference(self, found: Reconciliation) -> str:
        return to_usd(found.provider_nusd - found.booked_nusd)


@admin.register(PlatformPrice)
class PlatformPriceAdmin(PriceColumns, ReadOnlyPlatformAdmin):
    list_display = ["provider", "model", "input_usd", "output_usd", "valid_from", "valid_to", "source"]
    list_filter = ["provider"]
    search_fields = ["model"]


@admin.register(LedgerState)
class LedgerStateAdmin(ReadOnlyPlatformAdmin):
    list_display = ["id", "beats", "rewound_at", "resumed_at", "resumed_by"]


@admin.register(LedgerOwner)
class LedgerOwnerAdmin(ReadOnlyPlatformAdmin):
    list_display = ["name", "alive_until"]


@admin.register(JobStanding)
class JobStandingAdmin(ReadOnlyPlatformAdmin):
    """Work outside requests: what ran when, for how long, and what failed."""

    list_display = ["name", "is_on_time", "started_at", "took_ms", "result", "failed_at", "failure", "runs", "failures"]

    @admin.display(boolean=True, description="on time")
    def is_on_time(self, standing: JobStanding) -> bool:
        return not is_late(standing, now=timezone.now())


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyTenantAdmin):
    list_display = ["kind", "tenant", "dimension", "value", "severity", "started_at", "expected", "actual", "state"]
    list_filter = ["tenant", "kind", "severity", "state"]

    @admin.display(description="expected, USD")
    def expected(self, anomaly: Anomaly) -> str:
        return to_usd(anomaly.expected_nusd)

    @admin.display(description="actual, USD")
    def actual(self, anomaly: Anomaly) -> str:
        return to_usd(anomaly.actual_nusd)
@admin.register(CloseOfMonth)
class CloseOfMonthAdmin(ReadOnlyTenantAdmin):
    list_display = ["month", "tenant", "entries", "closing", "actor", "closed_at", "reopened_at", "reopened_by"]

    @admin.display(description="closing, USD")
    def closing(self, close: CloseOfMonth) -> str:
        return to_usd(close.closing_nusd)


@admin.register(ReportSchedule)
class ReportScheduleAdmin(ReadOnlyTenantAdmin):
    list_display = ["name", "tenant", "every", "due_at", "sent_at", "is_active", "failure"]
    list_filter = ["tenant", "is_active"]


@admin.register(ExportJob)
class ExportJobAdmin(ReadOnlyTenantAdmin):
    list_display = ["file_name", "tenant", "state", "rows_done", "rows_expected", "created_by", "created_at", "ended_at", "failure"]
    list_filter = ["tenant", "state", "what", "format"]
