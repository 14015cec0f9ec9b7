"""A package, or a library's folder of the same name could be found in its place."""
