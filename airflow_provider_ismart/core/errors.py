"""The error that the core raises."""


class InputError(ValueError):
    """The input cannot be sent as it is. Nothing was sent."""
