"""Check that a send does not read files about a send as its recipients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.sources.files import FileRecipients


def check_apart(recipients: Any, path: object, option: str, path_option: str) -> None:
    """Check that a results or settlement file is not one of the files with recipients.

    :param option: the option with the recipients.
    :param path_option: the option with the path.
    :raises InputError: the path is one of the files, or is in one of the directories.
    """
    if not isinstance(recipients, FileRecipients) or path is None:
        return
    results = str(path)
    if not isinstance(path, ObjectStoragePath) and "://" not in results:
        results = str(Path(results).expanduser().resolve())
    for read in recipients.paths:
        source = str(read) if isinstance(read, ObjectStoragePath) else str(read.expanduser().resolve())
        if results == source or results.startswith(f"{source.rstrip('/')}/"):
            raise InputError(
                f"{path_option} is among the files of {option}, so the next send would read it. Choose another "
                "path"
            )
