"""Where files are kept until they expire: a folder of the tenant's, one folder for each export. A file appears whole or not at all."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import UUID, uuid4

import msgspec
from django.conf import settings

PART = ".part"
PARTS_KEPT_S = 24 * 3600
"""A part that nobody has written to for so long was left by a process that died."""


def path_of(*, tenant_id: UUID, export_id: UUID, file_name: str) -> Path:
    return folder_of(tenant_id=tenant_id, export_id=export_id) / file_name


def folder_of(*, tenant_id: UUID, export_id: UUID) -> Path:
    return Path(settings.EXPORT_FOLDER) / str(tenant_id) / str(export_id)


@contextmanager
def becoming(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that gets its name when the block ends well, and is gone when it does not. Durable then, also when the machine dies."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{uuid4().hex}{PART}")
    try:
        with part.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        _sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def manifest_file(manifest: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def checksum_file(sha256: str, *, name: str) -> bytes:
    """Return a checksum in the form of sha256sum."""
    return f"{sha256}  {name}\n".encode()


def write_beside(path: Path, *, sha256: str, manifest: dict[str, Any]) -> None:
    """Write the manifest and the checksum beside a file."""
    with becoming(path.with_name(f"{path.name}.manifest.json")) as file:
        file.write(manifest_file(manifest))
    with becoming(path.with_name(f"{path.name}.sha256")) as file:
        file.write(checksum_file(sha256, name=path.name))


def remove(*, tenant_id: UUID, export_id: UUID) -> None:
    """Delete all files of an export. That there are none is fine."""
    folder = folder_of(tenant_id=tenant_id, export_id=export_id)
    shutil.rmtree(folder, ignore_errors=True)


def remove_all(*, tenant_id: UUID) -> None:
    """Delete all files of a tenant that is no more."""
    shutil.rmtree(Path(settings.EXPORT_FOLDER) / str(tenant_id), ignore_errors=True)


def remove_parts(*, older_than_s: float = PARTS_KEPT_S) -> int:
    """Delete what processes that died have left. Returns how many."""
    removed = 0
    for part in Path(settings.EXPORT_FOLDER).glob(f"*/*/.*{PART}"):
        try:
            if time.time() - part.stat().st_mtime > older_than_s:
                part.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
