"""A secrets backend that fails as providers' backends do: it logs an error and finds nothing."""

import logging

from airflow.secrets import BaseSecretsBackend


class SealedVault(BaseSecretsBackend):
    """Have no secrets."""

    def get_connection(self, conn_id, *_, **__):
        try:
            raise ValueError("no key\nsecond line")  # noqa: TRY301
        except ValueError:
            logging.getLogger(__name__).exception("The vault is sealed")
