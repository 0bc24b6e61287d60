"""Provide the hook."""
