"""Usage files as they come over REST: as a form's file or as the body, bounded in size, never whole in memory."""

import hashlib
import io
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from django.core.files.uploadedfile import UploadedFile
from msgspec import Struct
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from billing.engine.usage_files import InvalidUsageFile, UsageFile, read_usage
from tenants.api.parsing import BodyTooLarge

MAX_FILE_BYTES = 20 * 1024 * 1024
FORM_BYTES = 64 * 1024
CHUNK = 256 * 1024
KEPT_IN_MEMORY = 1024 * 1024


class TooLargeFile(BodyTooLarge):
    default_detail = f"The file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB. Split it by days, or use 'manage.py reconcile'."


class Upload(Struct, frozen=True, kw_only=True):
    """What was sent: which connection it is about, and what the file says."""

    provider: str
    file_name: str
    digest: str
    usage: UsageFile


class CsvParser(BaseParser):
    """A CSV file as the body itself."""

    media_type = "text/csv"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        kept = tempfile.SpooledTemporaryFile(max_size=KEPT_IN_MEMORY)  # noqa: SIM115 - closed with the request
        while chunk := stream.read(CHUNK):
            kept.write(chunk)
            if kept.tell() > MAX_FILE_BYTES:
                raise TooLargeFile
        return {"file": kept}


def check_size(request: Request) -> None:
    """Refuse what is too large before any of it is read. Raises TooLargeFile."""
    length = str(request.META.get("CONTENT_LENGTH") or 0)
    if length.isdecimal() and int(length) > MAX_FILE_BYTES + FORM_BYTES:
        raise TooLargeFile


def read_upload(request: Request) -> Upload:
    """Return what the request brings. Raises ValidationError that names every wrong line of the file."""
    check_size(request)
    given = request.data if isinstance(request.data, Mapping) else {}
    file, said = given.get("file"), {**request.query_params.dict(), **{name: value for name, value in given.items() if name != "file"}}
    unknown = sorted(set(said) - {"provider", "file_name"})
    if unknown:
        raise ValidationError({name[:60]: "There is no such field. You can set: file, provider, file_name." for name in unknown})
    provider = said.get("provider")
    if not isinstance(provider, str) or not provider:
        raise ValidationError({"provider": "Say which connection the file is about: its name, as GET /api/v1/providers/ lists it."})
    if isinstance(file, UploadedFile):
        stream, name = file.file, file.name or ""
    elif isinstance(file, tempfile.SpooledTemporaryFile):
        stream, name = file, ""
    else:
        raise ValidationError({"file": "Send the file as multipart/form-data in the field 'file', or as the body with the type text/csv."})
    try:
        digest, usage = read_file(stream)
    except InvalidUsageFile as wrong:
        raise ValidationError({"file": [str(problem) for problem in wrong.problems]}) from wrong
    return Upload(provider=provider, file_name=str(said.get("file_name") or name)[:255], digest=digest, usage=usage)


def read_file(stream: Any) -> tuple[str, UsageFile]:
    """Return the SHA-256 of a file and what it says. Raises InvalidUsageFile that names every wrong line."""
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        return digest.hexdigest(), read_usage(text)
    finally:
        text.detach()
