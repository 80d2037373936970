"""What is served beside pages: the files of others are what we say they are."""

import hashlib
import re

import brotli
from django.conf import settings

from cascadeflow_site.embedded import BASE

VENDOR = BASE / "static/vendor"


def test_the_files_of_others_have_the_hashes_that_are_written_down() -> None:
    written = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (VENDOR / "README.md").read_text(), re.MULTILINE))
    files = [path for path in VENDOR.iterdir() if path.suffix in (".js", ".woff2")]
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in files}
    assert found == written


def test_what_is_served_compressed_is_the_same_file() -> None:
    for path in VENDOR.glob("*.br"):
        assert brotli.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()


def test_files_with_their_version_in_their_name_are_kept_for_ever() -> None:
    assert re.match(settings.WHITENOISE_IMMUTABLE_FILE_TEST, "/static/vendor/htmx-4.0.1.min.js")
    assert not re.match(settings.WHITENOISE_IMMUTABLE_FILE_TEST, "/static/cf/console.js")


def test_our_own_scripts_and_styles_are_small() -> None:
    sizes = {suffix: sum(len(brotli.compress(path.read_bytes())) for path in (BASE / "static/cf").glob(f"*{suffix}")) for suffix in (".js", ".css")}
    assert sizes[".js"] <= 25_000
    assert sizes[".css"] <= 15_000


def test_no_template_has_an_inline_script_style_or_handler() -> None:
    for path in (*(BASE / "templates/console").rglob("*.html"), *(BASE / "templates/registration").rglob("*.html")):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", text), path
