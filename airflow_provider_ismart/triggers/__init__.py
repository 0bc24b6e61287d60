"""Provide the trigger."""
