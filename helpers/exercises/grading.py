"""How an exercise is marked: ✅ right, ❌ wrong, with a hint, ⬜ not tried yet.

A check is a function that takes what the reader wrote. It ends with one sentence of praise, or it
stops at the first `expect` that does not hold, whose hint names the likely mistake:

    @exercise("2.1")
    def softmax_by_hand(softmax: Callable[[Tensor], Tensor]) -> str:
        logits = torch.tensor([[1.0, 2.0]])
        found = ask(softmax, logits)
        expect(found.shape == logits.shape, "one probability for every logit is wanted")
        return "each row adds up to 1"
"""

import copy
import dis
import importlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

RIGHT, WRONG, UNTRIED = "✅", "❌", "⬜"

Check = Callable[..., str]
CHECKS: dict[str, Check] = {}


class Verdict(NamedTuple):
    """`mark` is RIGHT, WRONG or UNTRIED; `text` says why, in one line."""

    mark: str
    text: str


class NotTried(Exception):
    """The reader has not written an answer yet."""


class Wrong(Exception):
    """The answer is wrong; the message is the hint."""


def exercise(number: str) -> Callable[[Check], Check]:
    """Make a function the check of the exercise `number`, such as "2.1" or "own.1"."""

    def register(check: Check) -> Check:
        if number in CHECKS:
            raise ValueError(f"exercise {number} has two checks")
        CHECKS[number] = check
        return check

    return register


def expect(condition: object, hint: str) -> None:
    """Go on if `condition` is true.

    Raises:
        Wrong: it is false; `hint` is shown to the reader.
    """
    if not condition:
        raise Wrong(hint)


NO_WORK = {"RESUME", "NOP", "LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}


def is_empty(function: Callable[..., Any]) -> bool:
    """Whether a function or method still has nothing but dots in it."""
    if not hasattr(function, "__code__"):
        return False
    return all(step.opname in NO_WORK for step in dis.get_instructions(function))


def expect_result(found: Any, function: Callable[..., Any], hint: str = "") -> None:
    """Go on if `function`, which the reader wrote, returned something: `found`.

    Raises:
        NotTried: it returned nothing, since there is nothing in it.
        Wrong: it does something and returns nothing; `hint` says more about it than usual.
    """
    if found is None or found is ...:
        if is_empty(function):
            raise NotTried
        name = getattr(function, "__name__", "")
        whose = f"`{name}`" if name.isidentifier() else "your function"
        raise Wrong(hint or f"{whose} gives nothing back: end it with `return …`")


def ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call what the reader wrote, with copies: it may change what it gets.

    Raises:
        NotTried: there is nothing in it.
        Wrong: it is no function, or it returned nothing.
    """
    if not callable(function):
        raise Wrong("give the function itself, without calling it")
    found = function(*(copy.deepcopy(argument) for argument in arguments))
    expect_result(found, function)
    return found


def as_tensor(found: Any, what: str) -> Tensor:
    """What the reader returned (a tensor, array, list or number) as float64, on the CPU.

    Raises:
        Wrong: it is no numbers; `what` names them in the hint.
    """
    try:
        given = found if isinstance(found, Tensor) else np.asarray(found, dtype=float)
        return torch.as_tensor(given).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise Wrong(f"{what} must be numbers, not {type(found).__name__}") from None


def as_number(found: Any, what: str) -> float:
    """What the reader returned as one number, however it is wrapped.

    Raises:
        Wrong: it is something else, or more than one; `what` names it in the hint.
    """
    values = as_tensor(found, f"one number is wanted: {what}")
    expect(values.numel() == 1, f"one number is wanted, {what}, not {values.numel()}")
    return values.item()


def module_of(number: str) -> str:
    """The module with the check of an exercise: "chapter_02" for "2.1", "own" for "own.1"."""
    part = number.split(".")[0]
    return f"chapter_{int(part):02d}" if part.isdecimal() else part


# What PyTorch says (a pattern) -> the same for somebody who sees it for the first time.
PLAIN = {
    "^Subtraction.* bool tensor": (
        "PyTorch does not subtract True and False: write `float(c == label)` for one of them, "
        "`.float()` for a tensor of them"
    ),
    "target dtype|scalar type Long": "labels have to be of the type int64: `.long()` first",
    r"unsigned char|\bByte\b": "uint8 pixels, whole numbers up to 255: `.float()` first",
    "floating.point": "these are whole numbers: `.float()` first",
}


def _reason(error: Exception) -> str:
    """What went wrong in the reader's code, in one line."""
    said = " ".join(str(error).split()) or "without a message"
    if isinstance(error, RuntimeError):  # PyTorch's; NotImplementedError is one of them
        said = next((plain for pattern, plain in PLAIN.items() if re.search(pattern, said)), said)
    return f"your code stopped with {type(error).__name__}: {said}"


def verdict(number: str, *answers: Any) -> Verdict:
    """Judge an answer. Whatever its code raises becomes a hint, never a traceback.

    Raises:
        ValueError: there is no exercise of that number.
    """
    importlib.import_module(f"helpers.exercises.{module_of(number)}")
    if number not in CHECKS:
        raise ValueError(f"there is no exercise {number}")
    try:
        if any(answer is None or answer is ... for answer in answers):
            raise NotTried
        return Verdict(RIGHT, CHECKS[number](*answers))
    except NotTried:
        return Verdict(UNTRIED, "not tried yet: replace the dots with your answer")
    except Wrong as hint:
        return Verdict(WRONG, str(hint))
    except Exception as error:
        return Verdict(WRONG, _reason(error))


def grade(number: str, *answers: Any) -> None:
    """Print what `verdict` says of the answer to the exercise `number`."""
    mark, text = verdict(number, *answers)
    print(f"{mark} exercise {number}: {text}")
