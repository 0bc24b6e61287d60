"""Check that results and settlement files are not read as recipients."""

from __future__ import annotations

from typing import Any

from airflow_provider_ismart.core.errors import InputError
from airflow_provider_ismart.sending.paths import parse_path
from airflow_provider_ismart.sources.files import FileRecipients


def check_no_overlap(recipients: Any, path: object, option: str, path_option: str) -> None:
    """Check that a results or settlement file is not one of the files with recipients.

    :param option: the option with the recipients.
    :param path_option: the option with the path.
    :raises InputError: the path is one of the files, or is in one of the directories.
    """
    if not isinstance(recipients, FileRecipients) or path is None:
        return
    location = str(parse_path(path, path_option))
    for source in (str(parse_path(source, option)) for source in recipients.paths):
        if location == source or location.startswith(f"{source.rstrip('/')}/"):
            raise InputError(
                f"{path_option} is among the files of {option}, so the next send would read it. Choose another "
                "path"
            )
