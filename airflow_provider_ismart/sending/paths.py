"""Parse an option that is a path: text, a URL, a path object or an ``ObjectStoragePath``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_ismart.core.errors import InputError


def parse_path(path: Any, option: str) -> Any:
    """Return an absolute :class:`pathlib.Path` for a local file, or an ``ObjectStoragePath``.

    :param option: the name of the option, for errors.
    :raises InputError: the path or its storage is not supported.
    """
    try:
        if not isinstance(path, ObjectStoragePath):
            text = os.fsdecode(path).removeprefix("file://")
            if "://" not in text:
                return Path(text).expanduser().resolve()
            path = ObjectStoragePath(text)
        return Path(path.path).resolve() if path.protocol in {"file", "local"} else path
    except (ImportError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(
            f"{option} is not a supported path ({type(error).__name__}: {error}); correct it, or install the "
            "provider of its storage"
        ) from None
