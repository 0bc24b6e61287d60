"""The core's one error."""


class InputError(ValueError):
    """The input cannot be sent as it is. Nothing was sent."""
