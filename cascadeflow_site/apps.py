from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "cascadeflow_site"
    verbose_name = "CascadeFlow"
