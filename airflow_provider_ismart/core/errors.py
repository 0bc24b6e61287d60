"""The core's one error."""


class InputError(ValueError):
    """What the caller handed over cannot be sent as it is. Nothing was sent."""
