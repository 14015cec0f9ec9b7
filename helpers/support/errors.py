"""Mistakes that are told in one line: what, where, what to do."""


class UserError(ValueError):
    """A mistake of whoever started the program; the message is one line."""


class DataError(UserError):
    """Data that cannot be used."""


class RunError(UserError):
    """A run folder or checkpoint that cannot be used."""


def printable(name: object) -> str:
    """`name` on one line: line breaks and other characters without a shape become escapes."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))
