"""Checks inside the notebooks: they hold the text to what the code really did."""


def check(condition: object, message: str) -> None:
    """Print `message` behind a tick when `condition` is true.

    Raises:
        AssertionError: `condition` is false.
    """
    if not bool(condition):
        raise AssertionError(f"❌ not true here: {message}")
    print(f"✅ {message}")
