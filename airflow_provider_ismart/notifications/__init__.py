"""Provide the notifiers."""
