"""The quizzes: readable without scripts, one right answer each, an explanation for all."""

import pytest

from tests.course_text import CHAPTERS, Question, prefix, questions
from tools.course import Chapter

RIGHT, WRONG = "✅", "❌"
each_quiz = pytest.mark.parametrize(
    "quiz", [questions(chapter) for chapter in CHAPTERS], ids=[chapter.key for chapter in CHAPTERS]
)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)
def test_questions_are_numbered_and_open_one_answer_at_a_time(chapter: Chapter) -> None:
    found = [(question.number, question.group) for question in questions(chapter)]
    numbers = range(1, len(found) + 1)
    assert found == [(number, f"quiz-{prefix(chapter)}-{number}") for number in numbers]
    assert 5 <= len(found) <= 8


@each_quiz
def test_one_answer_is_right_and_every_answer_is_explained(quiz: list[Question]) -> None:
    for question in quiz:
        assert 3 <= len(question.options) <= 5, question.text
        marks = [answer[0] for _, answer in question.options]
        assert sorted(marks) == sorted([RIGHT] + [WRONG] * (len(marks) - 1)), question.text
        for option, answer in question.options:
            assert len(answer.split()) >= 8, f"{question.text} {option}: why?"


@each_quiz
def test_place_and_length_do_not_give_the_right_answer_away(quiz: list[Question]) -> None:
    places, longest = set(), 0
    for question in quiz:
        right = next(i for i, (_, answer) in enumerate(question.options) if answer[0] == RIGHT)
        lengths = [len(option) for option, _ in question.options]
        places.add(right)
        longest += lengths[right] == max(lengths)
    assert len(places) >= 3
    assert longest <= len(quiz) // 2 + 1
