"""The checks of the exercises: one module a chapter, and `grade`, which notebooks call."""

from helpers.exercises.grading import grade

__all__ = ["grade"]
