"""Tasks that watch the account."""
