"""Answers' rows: which providers and models a tenant has, how it wants them used, and what each run did."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from cascade.engine.providers.registry import SIMULATED, SUPPORTED_PROVIDERS
from tenants.encryption import EncryptedTextField
from tenants.endpoints import check_url
from tenants.models import slug_rule
from tenants.scoping import Audited, TenantOwnedModel, uuid7
from tenants.signing import SigningModel


def check_provider(slug: str) -> None:
    if slug not in SUPPORTED_PROVIDERS and slug != SIMULATED.slug:
        raise ValidationError(f"{slug!r} is not a supported provider. Supported: {', '.join(sorted(SUPPORTED_PROVIDERS))}.")


def check_hook_url(url: str) -> None:
    check_url(url)


def default_capabilities() -> list[str]:
    return ["tools", "json", "streaming"]


class ProviderConnection(TenantOwnedModel):
    """A tenant's access to one provider: where it is and the credential, encrypted and never shown again."""

    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64, validators=[slug_rule])
    provider = models.CharField(max_length=32, validators=[check_provider])
    base_url = models.CharField(max_length=500, blank=True, help_text="Empty: the provider's own address.")
    credential = EncryptedTextField(default=b"", blank=True, editable=False)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_connection_per_name")]

    def __str__(self) -> str:
        return self.name


class CatalogModel(TenantOwnedModel):
    """A model that a tenant may use, under the tenant's own name for it. Its prices are in the price book."""

    bumps_config = True

    class Part(models.TextChoices):
        DRAFT = "draft", "Drafts where a preset asks for @draft"
        STRONG = "strong", "Answers where a preset asks for @strong"
        CHECKER = "checker", "Checks where a preset asks for @checker"
        NONE = "", "Only where it is named"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=200)
    connection = models.ForeignKey(ProviderConnection, on_delete=models.CASCADE, related_name="models")
    upstream_name = models.CharField(max_length=200, blank=True, help_text="The provider's name for it; empty: the same.")
    part = models.CharField(max_length=8, choices=Part.choices, default=Part.NONE, blank=True)
    capabilities = ArrayField(models.CharField(max_length=16), default=default_capabilities, blank=True)
    context_tokens = models.PositiveIntegerField(default=128_000)
    max_output_tokens = models.PositiveIntegerField(default=16_384)
    cap_parameter = models.CharField(max_length=32, blank=True, help_text="Empty: the provider's usual name for the output cap.")
    retired_on = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_model_per_name"),
            models.UniqueConstraint(
                fields=["tenant", "part"], condition=~models.Q(part=""), name="one_model_per_part",
                violation_error_message="Another model has this part. Take the part from it first.",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> tuple[str, str]:
        """Where it comes from: slug of the provider, and the provider's own name of the model. The platform's prices go by it."""
        return self.connection.provider, self.upstream_name or self.name


class Preset(TenantOwnedModel):
    """A tenant's own way of answering, as numbered versions. The five built-in presets need no rows."""

    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64, validators=[slug_rule])
    title = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_preset_per_name")]

    def __str__(self) -> str:
        return self.name


class PresetVersion(TenantOwnedModel):
    """One published version of a preset: never edited, only followed by the next. A way back is a new version with an old one's content."""

    audit_name = ("preset__name", "number")
    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    preset = models.ForeignKey(Preset, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField(help_text="The CascadePreset as JSON: steps per domain, thresholds, timeouts.")
    published_at = models.DateTimeField(auto_now_add=True)
    published_by = models.CharField(max_length=200, blank=True)
    restores = models.PositiveIntegerField(null=True, help_text="The version whose content this is again, where it was rolled back.")
    note = models.CharField(max_length=500, blank=True, help_text="Why, in the words of whoever published it.")

    class Meta:
        ordering = ["preset", "-number"]
        constraints = [models.UniqueConstraint(fields=["tenant", "preset", "number"], name="one_version_per_number")]

    def __str__(self) -> str:
        return f"{self.preset_id}@{self.number}"


class PresetDraft(TenantOwnedModel):
    """What the next version of a preset may become: edited in place, decides nothing. `revision` tells two editors from each other."""

    audit_name = ("preset__name",)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    preset = models.OneToOneField(Preset, on_delete=models.CASCADE, related_name="draft")
    base = models.PositiveIntegerField(help_text="The version that it was made from, or last compared with.")
    revision = models.PositiveIntegerField(default=1)
    definition = models.JSONField()
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["preset"]

    def __str__(self) -> str:
        return f"draft {self.revision} of {self.preset_id}"


class PresetRollout(TenantOwnedModel):
    """How far a preset, built in or own, is rolled out. Without a row it serves everybody."""

    audit_name = ("preset",)
    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    preset = models.CharField(max_length=64)
    share = models.PositiveSmallIntegerField(default=100, validators=[MaxValueValidator(100)], help_text="Per cent of the end users that it serves.")
    shadow = models.BooleanField(default=False, help_text="Are the calls of the others drafted and judged as well, without serving that?")
    changed_at = models.DateTimeField(auto_now=True)
    changed_by = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["preset"]
        constraints = [models.UniqueConstraint(fields=["tenant", "preset"], name="one_rollout_per_preset")]

    def __str__(self) -> str:
        return f"{self.preset} for {self.share} %"


class TierPolicy(TenantOwnedModel):
    """What a tier may use. It binds on every path. Without a row, the built-in policy of the tier's name holds."""

    audit_name = ("tier__name",)
    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    tier = models.OneToOneField("tenants.Tier", on_delete=models.CASCADE, related_name="policy")
    allowed_models = ArrayField(models.CharField(max_length=200), default=list, blank=True, help_text="Empty: every model.")
    denied_models = ArrayField(models.CharField(max_length=200), default=list, blank=True)
    preset = models.CharField(max_length=64, blank=True, help_text="Used when the call names none.")
    fallback = models.CharField(max_length=200, blank=True, help_text="The model that answers where all that were wanted are forbidden.")
    max_cost_nusd = models.BigIntegerField(null=True, blank=True, validators=[MinValueValidator(0)], help_text="Most that one run may hold.")
    max_steps = models.PositiveSmallIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    max_tokens = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    min_quality = models.FloatField(null=True, blank=True, validators=[MinValueValidator(0.0), MaxValueValidator(1.0)])

    class Meta:
        verbose_name_plural = "tier policies"

    def __str__(self) -> str:
        return f"policy of {self.tier_id}"


class DomainRule(TenantOwnedModel):
    """A word or phrase of the tenant that speaks for a domain, beside or instead of the built-in ones."""

    audit_name = ("domain", "phrase")
    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    domain = models.CharField(max_length=64, validators=[slug_rule])
    phrase = models.CharField(max_length=200)
    weight = models.FloatField(default=1.0, validators=[MinValueValidator(-10.0), MaxValueValidator(10.0)])
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["domain", "phrase"]
        constraints = [models.UniqueConstraint(fields=["tenant", "domain", "phrase"], name="one_rule_per_phrase")]

    def __str__(self) -> str:
        return f"{self.phrase} speaks for {self.domain}"


class EnforcementHook(SigningModel, TenantOwnedModel):
    """An address of the tenant's own that is asked about each call before money is held for it. What is posted is signed."""

    bumps_config = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=64, validators=[slug_rule])
    url = models.CharField(max_length=500, validators=[check_hook_url])
    timeout_ms = models.PositiveSmallIntegerField(
        default=1000, validators=[MinValueValidator(50), MaxValueValidator(2000)], help_text="No answer by then is a failure."
    )
    tiers = ArrayField(models.CharField(max_length=64, validators=[slug_rule]), default=list, blank=True, help_text="Empty: every tier.")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="one_hook_per_name")]

    def __str__(self) -> str:
        return self.name


class CascadeRun(TenantOwnedModel):
    """What one run did, step by step: scores, counts and times, never text. Written after the money, by cascade.runtime."""

    audited = Audited.NEVER
    database_grants = "SELECT, INSERT"

    id = models.UUIDField(primary_key=True, editable=False, help_text="Also the id of its hold.")
    status = models.CharField(max_length=16, help_text="served, degraded, refused, failed, or shadow: not served")
    end_user_id = models.UUIDField(null=True)
    api_key_id = models.UUIDField(null=True)
    tier = models.CharField(max_length=64, blank=True)
    preset = models.CharField(max_length=64)
    policy_version = models.CharField(max_length=100)
    arm = models.CharField(max_length=16, blank=True, help_text="Of the preset's rollout: cascade, baseline or shadow; empty for one model by name.")
    shadow_of = models.UUIDField(null=True, help_text="The served run beside which this was drafted.")
    domain = models.CharField(max_length=64)
    domain_confidence = models.FloatField()
    domain_evidence = models.JSONField(null=True, help_text="Where rules of the tenant's own were met: their ids, and every domain's score. No text.")
    complexity = models.CharField(max_length=16)
    model_used = models.CharField(max_length=200, blank=True)
    draft_accepted = models.BooleanField(null=True)
    score = models.FloatField(null=True, help_text="How good the served answer is held to be, 0 to 1; empty where it was not judged.")
    cost_nusd = models.BigIntegerField(default=0)
    baseline_nusd = models.BigIntegerField(null=True)
    baseline_model = models.CharField(max_length=200, blank=True, default="", db_default="", help_text="Whose price the baseline is.")
    saved_by_cache_nusd = models.BigIntegerField(default=0, db_default=0, help_text="Of baseline minus cost, what caching made up.")
    saved_by_price_nusd = models.BigIntegerField(default=0, db_default=0, help_text="Of it, what prices of the tenant's own made up.")
    latency_ms = models.FloatField()
    first_token_ms = models.FloatField(null=True)
    steps = models.JSONField(default=list)
    error_code = models.CharField(max_length=64, blank=True)
    tags = ArrayField(models.CharField(max_length=100), default=list)
    started_at = models.DateTimeField()

    class Meta:
        ordering = ["-started_at", "-id"]
        indexes = [
            models.Index(fields=["tenant", "-started_at", "-id"], name="runs_by_time"),
            models.Index(fields=["tenant", "started_at"], name="runs_that_met_rules", condition=models.Q(domain_evidence__isnull=False)),
        ]  # fmt: skip

    def __str__(self) -> str:
        return str(self.id)


class RunDay(TenantOwnedModel):
    """Sums of the runs of one day (of the tenant's time zone), one dimension at a time, without shadows. A projection; a trigger raises it."""

    audited = Audited.NEVER
    database_grants = "SELECT"

    class Dimension(models.TextChoices):
        ALL = "all"
        END_USER = "end_user"
        TIER = "tier"
        MODEL = "model"
        DOMAIN = "domain"
        API_KEY = "api_key"
        PRESET = "preset"
        RULE = "rule"

    pk = models.CompositePrimaryKey("tenant_id", "day", "dimension", "value")
    day = models.DateField()
    dimension = models.CharField(max_length=16, choices=Dimension.choices)
    value = models.CharField(max_length=255, blank=True)
    runs = models.BigIntegerField()
    failed = models.BigIntegerField()
    judged = models.BigIntegerField(help_text="Runs whose draft was judged.")
    accepted = models.BigIntegerField(help_text="Runs whose draft was accepted.")
    cost_nusd = models.BigIntegerField()
    compared_nusd = models.BigIntegerField(help_text="Cost of the runs that have a baseline.")
    baseline_nusd = models.BigIntegerField(help_text="What the baseline would have cost for the same answers.")
    by_cache_nusd = models.BigIntegerField(db_default=0, help_text="Of what was saved, the part of caching.")
    by_price_nusd = models.BigIntegerField(db_default=0, help_text="The part of prices of the tenant's own.")
    by_degrade_nusd = models.BigIntegerField(db_default=0, help_text="The part of cheaper paths that budgets left.")
    latency_ms = models.BigIntegerField(help_text="All runs together.")

    class Meta:
        ordering = ["day", "dimension", "value"]

    def __str__(self) -> str:
        return f"{self.day} {self.dimension} {self.value}"
