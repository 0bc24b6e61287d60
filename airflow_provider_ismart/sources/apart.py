"""Check that a send does not read what it writes, or what is written about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.sources.files import FileRecipients


def check_apart(recipients: Any, path: object, option: str, path_option: str) -> None:
    """Check that a file about a send is not read as its recipients.

    :param option: the option that has the recipients.
    :param path_option: the option that has the path.
    :raises InputError: the path is one of the files, or in a directory of them.
    """
    if not isinstance(recipients, FileRecipients) or path is None:
        return
    results = str(path) if isinstance(path, ObjectStoragePath) else os.fsdecode(path)  # type: ignore[arg-type]
    if not isinstance(path, ObjectStoragePath) and "://" not in results:
        results = str(Path(results).expanduser().resolve())
    for read in recipients.paths:
        source = str(read) if isinstance(read, ObjectStoragePath) else str(read.expanduser().resolve())
        if results == source or results.startswith(f"{source.rstrip('/')}/"):
            raise InputError(
                f"{path_option} is a file of {option} or in a directory of them, so the next send would read it. "
                "Choose a path elsewhere"
            )
