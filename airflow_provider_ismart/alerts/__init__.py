"""Alerts: the messages of callbacks."""
