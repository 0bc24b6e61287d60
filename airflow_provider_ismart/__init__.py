"""Send SMS from Apache Airflow through the iSmart gateway (Infocomm, Oman)."""

__version__ = "0.1.0"
