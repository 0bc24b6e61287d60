"""Alerts: SMS messages from callbacks."""
