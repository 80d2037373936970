"""Budgets, as people set them."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from billing.engine.budgets import Action, BudgetScope, Period
from tenants.scoping import Audited, TenantOwnedModel, uuid7

ACTIONS = [(action.value, action.value) for action in Action]


def default_marks() -> list[int]:
    return [50, 80, 100]


class Budget(TenantOwnedModel):
    """A limit on what may be spent in a window of time. docs/algorithms/budgets.md tells what each field does."""

    audit_name = ("scope", "period", "action")
    audit_hides = ("name", "subject")  # either may tell who an end user is

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200, blank=True)
    scope = models.CharField(max_length=16, choices=[(scope.value, scope.value.replace("_", " ")) for scope in BudgetScope])
    subject = models.CharField(
        max_length=255,
        blank=True,
        help_text="Whom it limits: name of the tier, external id of the end user, id of the API key, or the tag. "
        "Empty for the tenant, and for an end-user budget that each end user has for themselves.",
    )
    period = models.CharField(max_length=8, choices=[(period.value, period.value) for period in Period])
    limit_nusd = models.BigIntegerField(help_text="The limit in nano-USD.")
    action = models.CharField(max_length=8, choices=ACTIONS, default=Action.BLOCK.value)
    soft_marks = ArrayField(models.PositiveSmallIntegerField(), default=default_marks, help_text="Percentages that raise an alert once.")
    is_paused = models.BooleanField(default=False)
    override_limit_nusd = models.BigIntegerField(
        null=True, blank=True, help_text="Takes the limit's place until override_until, in nano-USD: for a launch day, or to slow somebody down."
    )
    override_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it was deleted: its windows stay, as history.")

    class Meta:
        ordering = ["scope", "subject", "period", "action"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "scope", "subject", "period", "action"],
                condition=models.Q(ended_at__isnull=True),
                name="one_budget_per_subject_period_action",
            ),
            models.CheckConstraint(condition=models.Q(limit_nusd__gte=0), name="budget_limit_not_negative"),
            models.CheckConstraint(
                condition=models.Q(override_limit_nusd__isnull=True, override_until__isnull=True)
                | models.Q(override_limit_nusd__gte=0, override_until__isnull=False),
                name="an_override_has_an_end",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.whose}, {self.period}"

    @property
    def whose(self) -> str:
        """Whom it limits, in words."""
        if self.scope == BudgetScope.TENANT:
            return "Everything"
        if self.scope == BudgetScope.END_USER:
            return f"End user {self.subject}" if self.subject else "Each end user"
        if self.scope == BudgetScope.TIER:
            return f"Each end user of {self.subject}"
        return f"{'API key' if self.scope == BudgetScope.API_KEY else 'Tag'} {self.subject}"


class BudgetMark(TenantOwnedModel):
    """A soft mark that a window passed: written once by the ledger, in the transaction that passed it, and made an alert of soon after."""

    audited = Audited.NEVER
    database_grants = "SELECT, UPDATE (announced_at)"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    window = models.ForeignKey("billing.BudgetWindow", on_delete=models.CASCADE, related_name="marks")
    percent = models.PositiveSmallIntegerField()
    spent_nusd = models.BigIntegerField(help_text="Spent when it was passed, in nano-USD.")
    limit_nusd = models.BigIntegerField()
    reached_at = models.DateTimeField()
    announced_at = models.DateTimeField(null=True, help_text="When an alert was made of it; empty: not yet.")

    class Meta:
        ordering = ["-reached_at", "-percent"]
        constraints = [models.UniqueConstraint(fields=["window", "percent"], name="a_mark_is_passed_once")]
        indexes = [
            models.Index(fields=["tenant", "-reached_at"], name="marks_by_time"),
            models.Index(fields=["reached_at"], condition=models.Q(announced_at__isnull=True), name="marks_to_announce"),
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of window {self.window_id}"
