from typing import Any

import pytest


@pytest.fixture(autouse=True)
def without_redirect_to_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = False
