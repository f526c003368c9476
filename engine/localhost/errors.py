"""Why the host cannot start or go on."""


class HostError(Exception):
    """The host refuses; the message is one line that says what was found and what was expected."""
