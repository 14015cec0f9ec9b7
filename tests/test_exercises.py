"""Every solution passes its check, every stub does not, and typical mistakes get their hint."""

import importlib
from contextlib import chdir
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from helpers.exercises import grade
from helpers.exercises.grading import (
    RIGHT,
    UNTRIED,
    WRONG,
    Verdict,
    Wrong,
    as_number,
    as_tensor,
    ask,
    exercise,
    is_empty,
    module_of,
    verdict,
)
from tests.course_text import CHAPTERS, COURSE, Exercise, cells, exercises, prefix
from tests.right_answers import RIGHT_ANSWERS

EXERCISES = [found for chapter in CHAPTERS for found in exercises(chapter)]


def wrong_answers(number: str) -> dict[str, tuple[str, str]]:
    """Typical mistakes: what it is -> (code, part of the hint that it has to get)."""
    answers = importlib.import_module(f"tests.wrong_answers.{module_of(number)}")
    return answers.WRONG_ANSWERS.get(number, {})


WRONG_ANSWERS = [
    pytest.param(found, code, hint, id=f"{found.number} {mistake}")
    for found in EXERCISES
    for mistake, (code, hint) in wrong_answers(found.number).items()
]


@pytest.fixture(scope="module")
def names() -> dict[str, dict[str, Any]]:
    """What a chapter's cells of imports and of loading define: exercises build on nothing else."""
    spaces: dict[str, dict[str, Any]] = {}
    for chapter in CHAPTERS:
        space: dict[str, Any] = {"__name__": "exercise"}
        code = [cell.source for cell in cells(chapter) if cell.cell_type == "code"][1:]
        loading = next(n for n, source in enumerate(code) if "load(" in source)
        with chdir(COURSE.root):  # a page may go elsewhere
            for source in code[: loading + 1]:
                exec(compile(source, chapter.notebook.name, "exec"), space)
        spaces[chapter.key] = space
    return spaces


def answered(found: Exercise, code: str, names: dict[str, dict[str, Any]]) -> Verdict:
    """What the check says when `code` stands in the place of the stub."""
    space = dict(names[found.chapter.key])
    given: list[Verdict] = []
    space["grade"] = lambda *arguments: given.append(verdict(*arguments))
    exec(compile(code + "\n" + found.call, found.number, "exec"), space)
    return given[0]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)
def test_a_chapter_has_its_exercises_in_order(chapter) -> None:
    numbers = [found.number for found in exercises(chapter)]
    assert len(numbers) >= 4
    assert numbers == [f"{prefix(chapter)}.{n + 1}" for n in range(len(numbers))]
    assert all(len(wrong_answers(number)) >= 3 for number in numbers)


@pytest.mark.parametrize("found", EXERCISES, ids=lambda found: found.number)
def test_a_stub_is_not_tried_yet_and_the_solution_is_right(found: Exercise, names) -> None:
    assert answered(found, found.stub, names).mark == UNTRIED
    assert found.solution, "the folded solution must follow the stub's cell"
    mark, text = answered(found, found.solution, names)
    assert mark == RIGHT, text


@pytest.mark.parametrize(("found", "code", "hint"), WRONG_ANSWERS)
def test_a_typical_mistake_gets_its_hint(found: Exercise, code: str, hint: str, names) -> None:
    mark, text = answered(found, code, names)
    assert mark == WRONG
    assert hint in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param(found, code, id=f"{found.number} {way}")
        for found in EXERCISES
        for way, code in RIGHT_ANSWERS.get(found.number, {}).items()
    ],
)
def test_another_right_answer_is_right(found: Exercise, code: str, names) -> None:
    mark, text = answered(found, code, names)
    assert mark == RIGHT, text


def test_every_other_right_answer_belongs_to_an_exercise() -> None:
    assert set(RIGHT_ANSWERS) <= {found.number for found in EXERCISES}


def test_what_the_code_raises_becomes_a_hint() -> None:
    mark, text = verdict("2.1", lambda *_: 1 / 0)
    assert mark == WRONG and "ZeroDivisionError" in text and "\n" not in text


@pytest.mark.parametrize(
    ("mistake", "hint"),
    [
        (lambda *_: torch.ones(2) - (torch.ones(2) > 0), "does not subtract True and False"),
        (lambda *_: torch.ones(2, 2).byte() @ torch.ones(2, 2), "uint8 pixels"),
        (lambda *_: torch.nn.Linear(2, 2)(torch.ones(2, 2).byte()), "uint8 pixels"),
        (lambda *_: torch.ones(2).byte().mean(), "uint8 pixels"),
        (lambda *_: torch.ones(2).byte().std(), "whole numbers: `.float()` first"),
        (lambda *_: F.cross_entropy(torch.ones(2, 2), torch.ones(2).int()), "`.long()` first"),
        (lambda *_: torch.ones(2, 3) @ torch.ones(2, 3), "shapes cannot be multiplied"),
    ],
)
def test_what_pytorch_says_is_said_in_plain_words(mistake: Any, hint: str) -> None:
    mark, text = verdict("2.1", mistake)
    assert mark == WRONG and hint in text and "\n" not in text


def _explained(images):
    """What it will do one day."""


def _prints(images):
    print(images)


def _returns(images):
    return images


class _Later:
    def method(self): ...


def test_only_a_function_without_a_body_is_not_tried_yet() -> None:
    empty = (_explained, _Later().method, lambda *_: None, lambda *_: ...)
    assert all(is_empty(function) for function in empty)
    assert not any(is_empty(function) for function in (_prints, _returns, print, torch.nn.ReLU()))
    assert verdict("0.2", _explained).mark == UNTRIED
    mark, text = verdict("0.2", _prints)
    assert mark == WRONG and "`_prints` gives nothing back: end it with `return …`" in text


def test_a_check_cannot_be_changed_through_its_arguments() -> None:
    data = [1, 2]
    assert ask(lambda values: values.append(3) or len(values), data) == 3
    assert data == [1, 2]


@pytest.mark.parametrize(
    "one", [3, 3.0, [3], (3.0,), np.float32(3), np.array([[3]]), torch.ones(1) * 3]
)
def test_one_number_counts_however_it_is_wrapped(one: Any) -> None:
    assert as_number(one, "the count") == 3


@pytest.mark.parametrize("found", ["three", [1, 2], {"a": 1}, torch.zeros(0), lambda: 3])
def test_what_is_not_one_number_gets_a_hint(found: Any) -> None:
    with pytest.raises(Wrong, match="one number is wanted.*the count"):
        as_number(found, "the count")


def test_numbers_come_out_of_tensors_that_have_gradients() -> None:
    found = as_tensor(torch.tensor([1.0, 2.0], requires_grad=True), "weights")
    assert found.dtype == torch.float64 and found.tolist() == [1, 2] and not found.requires_grad


def test_an_unknown_number_and_a_second_check_are_refused() -> None:
    with pytest.raises(ValueError, match="no exercise 1.99"):
        verdict("1.99")
    with pytest.raises(ValueError, match="two checks"):
        exercise(EXERCISES[0].number)(lambda: "")


def test_grade_prints_mark_number_and_reason(capsys: pytest.CaptureFixture[str]) -> None:
    grade(EXERCISES[0].number, None)
    assert capsys.readouterr().out.startswith(f"{UNTRIED} exercise {EXERCISES[0].number}: ")
