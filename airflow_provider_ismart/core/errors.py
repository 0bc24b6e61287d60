"""Define one error for all invalid input."""


class InputError(ValueError):
    """The recipients, the message, an option or the connection is invalid. Nothing was sent."""
