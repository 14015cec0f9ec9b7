"""The quizzes: readable without scripts, one right answer each, an explanation for all."""

import pytest

from tests.course_text import CHAPTERS, questions

RIGHT, WRONG = "✅", "❌"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.key)
class TestQuiz:
    def test_it_has_five_to_eight_questions(self, chapter) -> None:
        numbers = [question.number for question in questions(chapter)]
        assert 5 <= len(numbers) <= 8
        assert numbers == list(range(1, len(numbers) + 1))

    def test_one_answer_is_right_and_every_answer_is_explained(self, chapter) -> None:
        for question in questions(chapter):
            assert 3 <= len(question.options) <= 5, question.text
            marks = [answer[0] for _, answer in question.options]
            assert marks.count(RIGHT) == 1, question.text
            assert set(marks) <= {RIGHT, WRONG}, question.text
            for option, answer in question.options:
                assert len(answer.split()) >= 8, f"{question.text} {option}: why?"

    def test_the_right_answer_stands_in_different_places_and_is_not_the_longest(
        self, chapter
    ) -> None:
        places, longest = [], 0
        for question in questions(chapter):
            place = [answer[0] for _, answer in question.options].index(RIGHT)
            places.append(place)
            lengths = [len(option) for option, _ in question.options]
            longest += lengths[place] == max(lengths)
        assert len(set(places)) >= 3
        assert longest <= len(places) // 2 + 1, "the longest answer gives itself away"

    def test_opening_one_answer_closes_the_others_of_its_question_only(self, chapter) -> None:
        groups = [question.group for question in questions(chapter)]
        numbers = range(1, len(groups) + 1)
        assert groups == [f"quiz-{int(chapter.number)}-{number}" for number in numbers]
