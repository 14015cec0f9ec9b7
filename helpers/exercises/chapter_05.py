"""The checks of chapter 5: short trainings on tensors made here, with Lightning kept quiet."""

import copy
import inspect
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer
from torch import Tensor, nn
from torch.nn import functional as F

from helpers.exercises.grading import NotTried, ask, exercise, expect
from helpers.lit import quiet_lightning

Batch = tuple[Tensor, Tensor]
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


def _batches(count: int, size: int = 8) -> list[Batch]:
    draw = torch.Generator().manual_seed(5)
    return [
        (
            torch.randn(size, 1, 4, 4, generator=draw),
            torch.randint(0, 3, (size,), generator=draw),
        )
        for _ in range(count)
    ]


class _Loader:
    """Hands out a list of batches. Lightning takes a bare list for several loaders."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _network() -> nn.Module:
    """A network for images of 4 x 4 pixels and three classes, its weights always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 6), nn.Tanh(), nn.Linear(6, 3))


class _Plain(pl.LightningModule):
    """Cross-entropy and plain SGD; the loss of the batches in `lost` is replaced."""

    def __init__(self, lost: dict[int, float] | None = None) -> None:
        super().__init__()
        self.model, self.lost, self.steps = _network(), lost or {}, 0

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images, labels = batch
        self.steps += 1
        loss = F.cross_entropy(self.model(images), labels)
        # The gradients stay finite, so that only the loss can tell.
        return loss + self.lost[batch_idx] if batch_idx in self.lost else loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.5)


def _fit(
    module: pl.LightningModule, batches: Sequence[Batch], validate: bool = False, **arguments: Any
) -> None:
    quiet_lightning()
    trainer = pl.Trainer(**{"max_epochs": 1} | QUIET | arguments)
    try:
        trainer.fit(module, _Loader(batches), _Loader(batches) if validate else None)
    except SystemExit as end:  # Lightning's answer to an interruption
        raise RuntimeError("the training was interrupted instead of stopped") from end


def _is_empty(function: Callable[..., Any]) -> bool:
    """Whether a method still has nothing but dots in it."""
    code = getattr(function, "__code__", None)
    return code is not None and not code.co_names and set(code.co_consts) <= {None, ...}


@exercise("5.1")
def training_step(module_class: Any) -> str:
    expect(inspect.isclass(module_class), "give the class itself: Smoothed, without brackets")
    if _is_empty(module_class.training_step):
        raise NotTried
    module = module_class(_network())
    module.log = module.log_dict = lambda *_, **__: None
    images, labels = _batches(1)[0]
    found = module.training_step((images, labels), 0)
    expect(
        found is not None,
        "nothing is returned. Lightning would skip the batch without an error: return the loss",
    )
    found = found.get("loss") if isinstance(found, dict) else found
    expect(
        isinstance(found, Tensor),
        "return the loss as a tensor. A plain number has lost its way back to the weights",
    )
    expect(
        all(w.grad is None for w in module.parameters()),
        "there are gradients already: leave backward to the Trainer and only return the loss",
    )
    expect(found.numel() == 1, "the loss should be one number for the batch")
    expect(found.requires_grad, "the loss has no way back to the weights: do not detach it")
    with torch.no_grad():
        logits = module.model(images)
    wrong = {
        "the label smoothing is missing": F.cross_entropy(logits, labels),
        "cross_entropy wants logits: softmax was taken before": F.cross_entropy(
            logits.softmax(dim=1), labels, label_smoothing=0.1
        ),
        "this is the sum over the batch; the loop takes the mean": F.cross_entropy(
            logits, labels, label_smoothing=0.1, reduction="sum"
        ),
    }
    for hint, value in wrong.items():
        expect(not torch.allclose(found.detach(), value, atol=1e-6), hint)
    right = F.cross_entropy(logits, labels, label_smoothing=0.1)
    expect(torch.allclose(found.detach(), right, atol=1e-5), "the loss is not that of the loop")
    return "the same loss as in the loop, and the rest is left to the Trainer"


ORDERED = (
    "configure_optimizers",
    "on_train_start",
    "training_step",
    "on_before_zero_grad",
    "on_before_backward",
    "on_before_optimizer_step",
    "validation_step",
    "on_train_epoch_end",
)


class _Order(_Plain):
    """Notes the first call of each of the methods in `ORDERED`."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []


def _noting(name: str) -> Callable[..., Any]:
    def method(self: _Order, *arguments: Any, **named: Any) -> Any:
        if name not in self.calls:
            self.calls.append(name)
        return getattr(super(_Order, self), name)(*arguments, **named)

    return method


for _name in ORDERED:
    setattr(_Order, _name, _noting(_name))


@exercise("5.2")
def order_of_hooks(order: Any) -> str:
    expect(isinstance(order, list | tuple), "a list of names is wanted")
    expect(all(isinstance(name, str) for name in order), "put every name into quotes")
    found = [name.strip().strip("*").strip() for name in order]
    missing = [name for name in ORDERED if name not in found]
    unknown = [name for name in found if name not in ORDERED]
    expect(not unknown, f"this is none of the eight: {', '.join(unknown)}")
    expect(not missing, f"missing: {', '.join(missing)}")
    expect(len(found) == len(ORDERED), "each of the eight names once, please")
    place = {name: number for number, name in enumerate(found)}
    pairs = {
        ("configure_optimizers", "on_train_start"): "the optimizer is made before training starts",
        ("on_train_start", "training_step"): "training has to start before its first step",
        ("training_step", "on_before_backward"): "backward needs a loss: training_step comes first",
        ("training_step", "on_before_zero_grad"): (
            "the loop calls model(images) first, and zero_grad only then"
        ),
        ("on_before_zero_grad", "on_before_backward"): (
            "zero_grad after backward would erase the new gradients"
        ),
        ("on_before_backward", "on_before_optimizer_step"): (
            "a step needs gradients: backward comes before it"
        ),
        ("on_before_optimizer_step", "validation_step"): (
            "validation comes after the training batches"
        ),
        ("validation_step", "on_train_epoch_end"): (
            "validation is a part of the training epoch: the epoch ends after it"
        ),
    }
    for (first, second), hint in pairs.items():
        expect(place[first] < place[second], hint)
    module, batches = _Order(), _batches(2)
    _fit(module, batches, validate=True)
    expect(found == module.calls, f"here they ran in another order: {', '.join(module.calls)}")
    return "just as they ran in a training a moment ago"


@exercise("5.3")
def by_epoch(function: Any) -> str:
    losses = {"train_loss": [2.0, 1.0, 0.5], "val_loss": [1.5, 1.25, 1.75]}
    lines = ["epoch,lr-SGD,step,train_loss,val_loss"]
    for epoch in range(3):
        lines += [f",{0.1 / (epoch + 1)},{10 * epoch + 4},,"]
        lines += [f"{epoch},,{10 * epoch + 9},,{losses['val_loss'][epoch]}"]
        lines += [f"{epoch},,{10 * epoch + 9},{losses['train_loss'][epoch]},"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        found = ask(function, path)
    expect(isinstance(found, pd.DataFrame), "return a table: a DataFrame of pandas")
    for name in losses:
        expect(name in found.columns, f"the table has no column {name}")
    expect(len(found) > 0, "no row is left: no row of the file is complete, so dropna drops all")
    gaps = bool(found[list(losses)].isna().any().any())
    if len(found) != 3:
        hint = "not one row for each epoch" + (", and there are gaps" if gaps else "")
        expect(False, f"{hint}: put the rows together that have the same epoch")
    expect(not gaps, "there are still gaps: an epoch's numbers stand in different rows")
    for name, right in losses.items():
        values = [float(value) for value in found[name]]
        expect(
            all(math.isclose(a, b, rel_tol=1e-6) for a, b in zip(values, right, strict=True)),
            f"{name} is not what was logged: take each epoch's own entry, in order of the epochs",
        )
    return "one row for each epoch, and every number in its place"


def _gradient_norms(batches: Sequence[Batch]) -> tuple[dict[str, list[float]], nn.Module]:
    """What a plain loop finds: the norm, and what typical mistakes take for it."""
    model = _network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    found: dict[str, list[float]] = {
        name: [] for name in ("norm", "squares", "sum", "largest", "last", "weights", "moved")
    }
    for images, labels in batches:
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        weights = [w.detach().flatten() for w in model.parameters()]
        parts = [w.grad.flatten() for w in model.parameters() if w.grad is not None]
        found["norm"].append(torch.cat(parts).norm().item())
        found["squares"].append(torch.cat(parts).pow(2).sum().item())
        found["sum"].append(sum(part.norm().item() for part in parts))
        found["largest"].append(torch.cat(parts).abs().max().item())
        found["last"].append(parts[-1].norm().item())
        found["weights"].append(torch.cat(weights).norm().item())
        optimizer.step()
        moved = [w.detach().flatten() for w in model.parameters()]
        found["moved"].append(torch.cat(moved).norm().item())
    return found, model


def _near(found: Sequence[float], right: Sequence[float]) -> bool:
    return len(found) == len(right) and all(
        math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-6) for a, b in zip(found, right, strict=True)
    )


def _own_hooks(callback_class: Any) -> list[str]:
    """The names of Callback's methods that a class has written anew."""
    return [
        name
        for name, method in inspect.getmembers(callback_class, inspect.isfunction)
        if name != "__init__" and method is not getattr(pl.Callback, name, method)
    ]


@exercise("5.4")
def gradient_norm(callback_class: Any) -> str:
    expect(inspect.isclass(callback_class), "give the class itself: GradientNorm, no brackets")
    if not _own_hooks(callback_class):
        extra = set(vars(callback_class)) - {"__init__", "norms"}
        if all(name.startswith("__") or name.startswith("_") for name in extra):
            raise NotTried
        expect(False, "no method has the name of a hook, so the Trainer calls none of them")
    batches, callback = _batches(4), callback_class()
    try:
        _fit(_Plain(), batches, callbacks=[callback])
    except (AttributeError, TypeError) as error:
        if "NoneType" not in str(error):
            raise
        expect(False, "at that moment the gradients are None: choose a hook after backward")
    found = [float(value) for value in callback.norms]
    values, _ = _gradient_norms(batches)
    right = values["norm"]
    expect(found, "self.norms is still empty after a training: append to it")
    expect(
        len(found) == len(right),
        f"{len(found)} numbers for {len(right)} steps: append one number for each step",
    )
    hints = {
        "squares": "the root is missing: these are the sums of the squares",
        "sum": "norms of single tensors cannot be added: add the squares, then take the root",
        "largest": "this is the largest gradient; the norm takes all of them",
        "last": "this is the norm of one tensor only: take all weights together",
        "weights": "this is the norm of the weights: you want w.grad",
        "moved": "this is the norm of the weights: you want w.grad",
    }
    for name, hint in hints.items():
        expect(not _near(found, values[name]), hint)
    expect(
        not _near(found[1:], right[:-1]),
        "these are the gradients of the step before: choose a hook after backward",
    )
    expect(_near(found, right), "these are not the norms of the gradients in each step")
    return "one norm for each step, equal to a plain loop's"


@exercise("5.5")
def stop_when_lost(callback_class: Any) -> str:
    expect(inspect.isclass(callback_class), "give the class itself: StopWhenLost, no brackets")
    hooks = _own_hooks(callback_class)
    if all(_is_empty(getattr(callback_class, name)) for name in hooks):
        raise NotTried
    batches = _batches(8)

    def steps(lost: dict[int, float]) -> int:
        module = _Plain(lost)
        _fit(module, batches, callbacks=[callback_class()], max_epochs=2)
        return module.steps

    everything = 2 * len(batches)
    expect(steps({}) == everything, "a healthy training was stopped: look at the loss first")
    first = steps({2: math.nan})
    expect(
        first != everything,
        "a loss of nan went unnoticed. Mind that nan == nan is False: ask torch.isnan or isfinite",
    )
    expect(
        first != len(batches),
        "the training went on to the end of the epoch: look after every batch",
    )
    expect(first <= 4, f"nan in batch 3, but the training ended only after {first} batches")
    expect(steps({2: math.inf}) <= 4, "an infinite loss went unnoticed: isnan does not see it")
    expect(steps({2: -math.inf}) <= 4, "a loss of minus infinity went unnoticed")
    return "stopped within the epoch, and healthy trainings go on"


@exercise("5.6")
def trainer_arguments(arguments: Any) -> str:
    expect(isinstance(arguments, dict), "a dict is wanted: names of arguments and their values")
    known = inspect.signature(pl.Trainer.__init__).parameters
    unknown = [str(name) for name in arguments if name not in known]
    expect(not unknown, f"the Trainer has no argument named {', '.join(unknown)}")
    quiet_lightning()
    trainer = pl.Trainer(**{"max_epochs": 1} | QUIET | arguments)
    parts = trainer.accumulate_grad_batches
    expect(parts != 1, "only 64 images take part in a step: gradients have to be accumulated")
    expect(
        parts not in (64, 256),
        "accumulate_grad_batches counts batches, not images: how many times 64 is 256?",
    )
    expect(parts == 4, f"{parts} batches of 64 are {64 * parts} images, not 256")
    expect(trainer.gradient_clip_val is not None, "nothing shortens a long gradient")
    expect(
        getattr(trainer.gradient_clip_algorithm, "value", trainer.gradient_clip_algorithm)
        in (None, "norm"),
        "clipping by value cuts single numbers; the whole norm is meant, which is the default",
    )
    expect(trainer.gradient_clip_val == 1, "the norm should be at most 1")
    share = trainer.limit_train_batches
    expect(
        not (isinstance(share, int) and share > 1),
        f"limit_train_batches={share} means {share} batches; a share is written as a fraction",
    )
    expect(share != 1, "all training batches are used: a tenth was wanted")
    expect(share == 0.1, "the share of the training batches is not a tenth")
    timers = [callback for callback in trainer.callbacks if isinstance(callback, Timer)]
    expect(timers, "there is no time limit")
    hours = (timers[0].time_remaining() or 0) / 3600
    expect(
        not math.isclose(hours, 48),
        "this is two days: the time is written days:hours:minutes:seconds",
    )
    expect(math.isclose(hours, 2), f"the limit is {hours:.2f} hours, not 2")
    return "the Trainer understands it as it was meant"


@exercise("5.7")
def accumulate(function: Any, equality: Any) -> str:
    model = _network()
    draw = torch.Generator().manual_seed(6)
    images = torch.randn(10, 1, 4, 4, generator=draw)
    labels = torch.randint(0, 3, (10,), generator=draw)

    def gradients(weigh: Callable[[Tensor, int], Tensor], keep: bool = True) -> list[Tensor]:
        model.zero_grad()
        for part, truth in zip(images.split(4), labels.split(4), strict=True):
            if not keep:
                model.zero_grad()
            weigh(F.cross_entropy(model(part), truth), len(part)).backward()
        return [w.grad.clone() for w in model.parameters() if w.grad is not None]

    def same(one: list[Tensor], other: list[Tensor]) -> bool:
        return all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))

    right = gradients(lambda loss, count: loss * count / 10)
    shares = gradients(lambda loss, _: loss)
    equal_parts = [grad / 3 for grad in shares]
    last = gradients(lambda loss, _: loss, keep=False)
    sums = [10 * grad for grad in right]
    model.zero_grad()
    found = ask(function, model, images, labels, 4)
    expect(isinstance(found, list | tuple), "return the list of w.grad of all weights")
    expect(
        len(found) == len(right)
        and all(isinstance(a, Tensor) and a.shape == b.shape for a, b in zip(found, right)),  # noqa: B905
        "one gradient for each weight tensor of the model is wanted, in their order",
    )
    found = [grad.detach() for grad in found]
    expect(not same(found, shares), "the parts' gradients are added but not weighed: too large")
    expect(
        not same(found, equal_parts),
        "the last part has fewer images but counts as much as the others: weigh it by its share",
    )
    expect(
        not same(found, last) and not same(found, [grad * 0.2 for grad in last]),
        "only the last part is left: zero_grad belongs before the first part",
    )
    expect(not same(found, sums), "this is the gradient of the sum over the images, not the mean")
    expect(same(found, right), "these are not the gradients of the mean loss over the whole batch")
    # A second call has to find the same: what is left of the first must not count.
    again = function(model, images, labels, 4)
    again = function(model, images, labels, 4)
    expect(same([g.detach() for g in again], right), "zero_grad is missing before the first part")
    said = str(equality).strip().strip(".").lower()
    expect(
        said in ("bit for bit", "up to rounding", "not at all"),
        'for the equality say "bit for bit", "up to rounding" or "not at all"',
    )
    expect(
        said != "bit for bit",
        "the gradients are right. But the sums run in another order: the last bits may differ",
    )
    expect(said != "not at all", "the gradients are right: print the largest difference")
    return "the gradient of the whole batch, up to rounding"


def _small_cnn() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(8)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)
        )


def _their_loop(
    model: nn.Module,
    batches: Sequence[Batch],
    *,
    epochs: int = 2,
    lr: float = 0.1,
    momentum: float = 0.9,
    smoothing: float = 0.1,
    clip: str = "norm",
    interval: str = "step",
) -> nn.Module:
    """The loop of exercise 5.8; other values than the default make a typical mistake."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
    for _ in range(epochs):
        model.train()
        for images, labels in batches:
            loss = F.cross_entropy(model(images), labels, label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            if clip == "norm":
                torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=0.1)
            elif clip == "value":
                torch.nn.utils.clip_grad_value_(model.parameters(), 0.1)
            optimizer.step()
            if interval == "step":
                schedule.step()
        if interval == "epoch":
            schedule.step()
    return model


MISSED: dict[str, dict[str, Any]] = {
    'the schedule moves once per epoch; the loop moves it in every step: "interval": "step"': {
        "interval": "epoch"
    },
    "there is no schedule of the learning rate": {"interval": "never"},
    "the gradient is not clipped: that is an argument of the Trainer": {"clip": "none"},
    "the gradient is clipped by value; the loop clips its norm": {"clip": "value"},
    "the label smoothing is missing": {"smoothing": 0.0},
    "the momentum of SGD is missing": {"momentum": 0.0},
    "that was one epoch; the loop has two": {"epochs": 1},
    "both are missing: the interval of the schedule, and the clipping": {
        "interval": "epoch",
        "clip": "none",
    },
}


@exercise("5.8")
def full_parity(function: Any) -> str:
    expect(callable(function), "give the function itself: port, without calling it")
    model, batches = _small_cnn(), _batches(5)
    start = copy.deepcopy(model.state_dict())
    found = function(model)
    if found is None or found is ...:
        raise NotTried
    expect(
        isinstance(found, tuple | list) and len(found) == 2,
        "return two things: the module and the dict of arguments",
    )
    module, arguments = found
    expect(isinstance(module, pl.LightningModule), "the first should be a LightningModule")
    expect(isinstance(arguments, dict), "the second should be a dict of arguments for the Trainer")
    unknown = set(arguments) - set(inspect.signature(pl.Trainer.__init__).parameters)
    expect(not unknown, f"the Trainer has no argument named {', '.join(map(str, unknown))}")
    expect(
        "max_epochs" in arguments or "max_steps" in arguments,
        "how many epochs? Without max_epochs the Trainer does not know",
    )
    module.log = module.log_dict = lambda *_, **__: None
    _fit(module, batches, **arguments)
    trained = model.state_dict()

    def furthest(other: dict[str, Tensor]) -> float:
        return max((trained[k].double() - other[k].double()).abs().max().item() for k in trained)

    expect(
        furthest(start) > 0,
        "the given model did not change: train this very model, no copy and no new one",
    )
    right = _their_loop(_small_cnn(), batches).state_dict()
    if all(torch.equal(trained[k], right[k]) for k in right):
        return "full parity, bit for bit"
    if furthest(right) < 1e-5:
        return "parity up to rounding: the arithmetic runs in another order somewhere"
    for hint, changes in MISSED.items():
        wrong = _their_loop(_small_cnn(), batches, **changes).state_dict()
        expect(furthest(wrong) > 1e-5, hint)
    expect(
        False,
        f"the weights differ by up to {furthest(right):.2g}: compare optimizer, loss and schedule",
    )
    return ""
