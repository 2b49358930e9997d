"""The one error that a user of a device can meet: a line that names setting, rule, value received and a way out."""


class EdgeError(Exception):
    """A bundle that cannot be trusted, data that cannot be used, or a folder that cannot be written."""
