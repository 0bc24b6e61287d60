"""Watching the account without a worker."""
