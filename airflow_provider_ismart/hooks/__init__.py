"""The hook of the gateway."""
