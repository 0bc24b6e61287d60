"""Share state across processes and machines in an Airflow Variable.

Variables are the only storage that tasks, the DAG processor and the triggerer can all use on every Airflow. They
have no compare-and-set, so writers hold a file lock. It excludes callbacks on the same machine, but not those on
other machines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import lru_cache
from hashlib import scrypt, sha256
from threading import Lock
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_ismart.coordination.locks import Deadline, hold, lock_path, try_lock

#: The name can contain the hash of a phone number. Oman has only 20 million mobile numbers, so the hash is slow:
#: hashing them all takes days.
SCRYPT = {"n": 2**14, "r": 8, "p": 1}


class _Hashing:
    """Let one thread compute a slow hash, while other threads wait for the cached result.

    Otherwise many threads would compute it together, and use up the first alert's 4 seconds.
    """

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Create a new lock after a fork, because no thread of the child would release a copied one."""
        self.lock = Lock()


hashing = _Hashing()


#: The class that reads and writes Variables. In Airflow 3, it does so through a supervisor.
_variables: Any = Variable


def use_database() -> None:
    """Read and write Variables in Airflow's database from now on, because this process has no supervisor."""
    global _variables  # noqa: PLW0603  # about the process
    from airflow.models.variable import Variable as StoredVariable  # noqa: PLC0415  # imports SQLAlchemy

    _variables = StoredVariable


class SharedState:
    """Store a small JSON object in a Variable, whose name contains ``kind`` and a hash of ``about``.

    :param is_private: whether ``about`` can contain a phone number. If not, the Variable's description contains
        ``about``, and its name a fast hash.
    """

    def __init__(self, kind: str, *about: str, is_private: bool = True) -> None:
        self._kind, self._about, self._is_private = kind, about, is_private

    @property
    def name(self) -> str:
        """The Variable's name."""
        if not self._is_private:
            return f"ismart_{self._kind}_{sha256('/'.join(self._about).encode()).hexdigest()[:16]}"
        with hashing.lock:
            return _name(self._kind, self._about)

    @property
    def _description(self) -> str:
        if self._is_private:
            return "State of airflow-provider-ismart's alerts"
        return f"airflow-provider-ismart, {self._kind.replace('_', ' ')} of {'/'.join(self._about)}"[:1000]

    def lock(self, deadline: Deadline) -> AbstractContextManager[object]:
        """Exclude this user's other callbacks on this machine.

        :raises BusyError: they held the lock until the deadline.
        """
        path = lock_path(self.name)
        return hold(lambda: (file,) if (file := try_lock(path)) else (), deadline)

    def load(self) -> dict[str, Any]:
        """Return the stored object. It is empty if there is no Variable or its value is not a JSON object."""
        try:
            return self.load_strictly()
        except ValueError:
            return {}

    def load_strictly(self) -> dict[str, Any]:
        """Return the stored object. It is empty if there is no Variable.

        :raises ValueError: the Variable's value is not a JSON object.
        """
        text = _variables.get(self.name, None)
        found = json.loads(text) if text else {}
        if not isinstance(found, dict):
            raise ValueError(f"the Variable {self.name!r} is not a JSON object; delete it")  # noqa: TRY004  # about the value, not its type
        return found

    def record(self, state: Mapping[str, Any]) -> None:
        """Replace the stored object."""
        _variables.set(self.name, json.dumps(state), description=self._description)

    def delete(self) -> None:
        """Delete the Variable."""
        _variables.delete(self.name)


@lru_cache
def _name(kind: str, about: tuple[str, ...]) -> str:
    digest = scrypt(json.dumps([kind, *about]).encode(), salt=b"airflow-provider-ismart", dklen=8, **SCRYPT)
    return f"ismart_{kind}_{digest.hex()}"
