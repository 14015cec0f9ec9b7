"""The book: built, drawn, printed, packed, and looked at in a browser."""
