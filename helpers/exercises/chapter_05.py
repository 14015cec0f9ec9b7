"""The checks of chapter 5: short trainings on tensors made here, with Lightning kept quiet."""

import contextlib
import copy
import inspect
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from helpers.exercises.grading import NotTried, ask, exercise, expect, expect_result, is_empty
from helpers.lightning import quiet_lightning

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


def _batches(count: int) -> list[Batch]:
    draw = torch.Generator().manual_seed(5)
    return [
        (torch.randn(8, 1, 4, 4, generator=draw), torch.randint(0, 3, (8,), generator=draw))
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
) -> pl.Trainer:
    quiet_lightning()
    trainer = pl.Trainer(**{"max_epochs": 1} | QUIET | arguments)
    try:
        trainer.fit(module, _Loader(batches), _Loader(batches) if validate else None)
    except SystemExit as end:  # Lightning's answer to an interruption
        raise RuntimeError("the training was interrupted instead of stopped") from end
    return trainer


@exercise("5.1")
def training_step(module_class: Any) -> str:
    expect(inspect.isclass(module_class), "give the class itself: Smoothed, without brackets")
    module = module_class(_network())
    module.log = module.log_dict = lambda *_, **__: None
    images, labels = _batches(1)[0]
    try:
        found = module.training_step((images, labels), 0)
    except ValueError as error:
        expect(
            "to unpack" not in str(error),
            "`batch` is one batch, a pair: `images, labels = batch`, no loop",
        )
        raise
    expect_result(
        found,
        module.training_step,
        "nothing is returned. Lightning would skip the batch, with a warning only: return the loss",
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


def _loader(method: Callable[[], Any]) -> DataLoader[Any]:
    given, name = ask(method), method.__name__
    expect(not isinstance(given, Dataset), f"{name} returns a data set: wrap it into a DataLoader")
    expect(isinstance(given, DataLoader), f"{name} should return a DataLoader")
    return given


@exercise("5.3")
def data_module(module_class: Any) -> str:
    expect(inspect.isclass(module_class), "give the class itself: TensorData, without brackets")
    count = 50
    images = torch.arange(count).float().reshape(count, 1, 1, 1)
    labels = torch.arange(count)
    for size in (8, 15):
        _expect_parts(module_class(images, labels, size), count, size)
    return "training is shuffled, validation is not, and no image is in both"


def _expect_parts(module: pl.LightningDataModule, count: int, size: int) -> None:
    """That the data module of `count` images makes the right batches, of `size`."""
    module.prepare_data()
    module.setup("fit")
    train = _loader(module.train_dataloader)
    val = _loader(module.val_dataloader)

    def seen(loader: DataLoader[Any]) -> list[int]:
        batches = [*loader]
        expect(
            all(isinstance(batch, list | tuple) and len(batch) == 2 for batch in batches),
            "a batch should be two tensors: images and labels",
        )
        expect(
            all(len(truth) == size for _, truth in batches[:-1]) and len(batches[-1][1]) <= size,
            f"batches of {size} were wanted: pass batch_size on to the DataLoader",
        )
        found = [int(label) for _, truth in batches for label in truth]
        pixels = [int(pixel) for part, _ in batches for pixel in part.flatten()]
        expect(pixels == found, "images and labels do not belong together any more")
        return found

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        first, second, held = seen(train), seen(train), seen(val)
    expect(not set(first) & set(held), "some images are in both parts: the validation would lie")
    expect(
        (len(first), len(held)) != (10, 40),
        "80 % belong to the training, the others to the validation: they are swapped",
    )
    expect(
        set(first) == set(range(40)) or len(first) != 40,
        "the first 80 % are for training; these are others",
    )
    expect(
        sorted(first) == [*range(40)],
        f"{len(first)} of {count} images are for training; 80 % would be 40 (none is dropped)",
    )
    expect(first != sorted(first), "training batches come in the given order: shuffle them")
    expect(first != second, "every epoch has the same order: let the DataLoader shuffle")
    expect(held != sorted(held, reverse=True) and held == sorted(held), "validation is shuffled")
    expect(held == [*range(40, 50)], "the last 20 % are for validation; some are missing")


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
    hooks = _own_hooks(callback_class)
    if hooks and all(is_empty(getattr(callback_class, name)) for name in hooks):
        raise NotTried
    if not hooks:
        extra = set(vars(callback_class)) - {"__init__", "norms"}
        if all(name.startswith("_") for name in extra):
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
    if all(is_empty(getattr(callback_class, name)) for name in hooks):
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
        "a loss of nan went unnoticed. Mind that nan == nan is False: ask torch.isnan or isfinite. "
        "Or nothing was stopped: `trainer.should_stop = True`",
    )
    expect(
        first != len(batches),
        "the training went on to the end of the epoch: look after every batch",
    )
    expect(first <= 4, f"nan in batch 3, but the training ended only after {first} batches")
    expect(steps({2: math.inf}) <= 4, "an infinite loss went unnoticed: isnan does not see it")
    expect(steps({2: -math.inf}) <= 4, "a loss of minus infinity went unnoticed")
    return "stopped within the epoch, and healthy trainings go on"


class _Stored(pl.LightningModule):
    """What exercises 5.6 and 5.7 load: a hyperparameter, dropout, and an optimizer with memory."""

    def __init__(self, width: int = 4, dropout: float = 0.5) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.steps = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(9)
            self.model = nn.Sequential(
                nn.Flatten(),
                nn.Linear(16, width),
                nn.Tanh(),
                nn.Dropout(dropout),
                nn.Linear(width, 3),
            )

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.steps += 1
        images, labels = batch
        return F.cross_entropy(self(images), labels)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch[0] if isinstance(batch, list | tuple) else batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.3, momentum=0.9)


def _trained(path: Path, module: pl.LightningModule, epochs: int) -> None:
    """Train on batches in order, and leave a checkpoint at `path`."""
    _fit(module, _batches(5), max_epochs=epochs).save_checkpoint(path)


@exercise("5.6")
def load_and_predict(function: Any) -> str:
    images = torch.cat([images for images, _ in _batches(6)])
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        path = Path(folder) / "best.ckpt"
        module = _Stored(width=24)
        _trained(path, module, 8)
        module.eval()
        with torch.no_grad():
            right = module(images).argmax(dim=1)
            fresh = _Stored(width=24).eval()(images).argmax(dim=1)
        try:
            found = ask(function, _Stored, path, images)
            again = ask(function, _Stored, path, images)
        except RuntimeError as error:
            expect(
                "size mismatch" not in str(error),
                "the weights do not fit: module_class() has the default hyperparameters. Use "
                "load_from_checkpoint, which reads them from the file",
            )
            raise
    found = torch.cat([*found]) if isinstance(found, list | tuple) and len(found) else found
    again = torch.cat([*again]) if isinstance(again, list | tuple) and len(again) else again
    expect(isinstance(found, Tensor), "return one tensor of class numbers")
    expect(
        found.shape != (len(images), 3),
        "these are the logits or probabilities: take argmax over the classes",
    )
    expect(
        found.shape == (len(images),),
        "one class number for each image is wanted: argmax over dim=1, the classes",
    )
    expect(not found.is_floating_point(), "class numbers are integers: argmax gives them")
    expect(
        torch.equal(found, again),
        "two calls give two answers: dropout is active. Say eval() first",
    )
    expect(not torch.equal(found, fresh), "these are the answers of fresh weights: load the file")
    expect(torch.equal(found, right), "these are not the answers of the network in the file")
    return "the network of the file, in evaluation mode"


@exercise("5.7")
def resume(function: Any) -> str:
    epochs, batches = 4, _batches(5)
    whole = _Stored(dropout=0.0)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        _trained(Path(folder) / "whole.ckpt", whole, epochs)
        path = Path(folder) / "last.ckpt"
        _trained(path, _Stored(dropout=0.0), 2)
        module = _Stored(dropout=0.0)
        with torch.no_grad():
            module.model[1].weight.zero_()
        trainer = ask(function, module, _Loader(batches), path, epochs, QUIET)
        left = [file.name for file in Path(folder).iterdir() if file.suffix != ".ckpt"]
    expect(not left, f"{left[0] if left else ''} was left behind: pass **quiet on to pl.Trainer")
    expect(isinstance(trainer, pl.Trainer), "return the Trainer")
    used = trainer.lightning_module
    expect(used is not None, "the Trainer that you return has not trained: call fit")
    steps, wanted = used.steps, 2 * len(batches)
    expect(
        not (trainer.current_epoch == epochs and steps == epochs * len(batches)),
        "all four epochs were trained again: tell fit where to go on, with ckpt_path",
    )
    expect(
        trainer.current_epoch != epochs + 2 and steps != epochs * len(batches),
        "there are too many epochs: max_epochs counts those before the crash, too",
    )
    expect(
        not (trainer.current_epoch == 2 and steps == wanted),
        "the new Trainer counts from epoch 0 and the optimizer has lost its memory: use ckpt_path",
    )
    expect(steps == wanted, f"{steps} steps were made, not the {wanted} that were missing")
    pairs = zip(used.parameters(), whole.parameters(), strict=True)
    expect(
        all(torch.equal(a, b) for a, b in pairs),
        "the weights are not those of a run without a crash: restore everything with ckpt_path",
    )
    return "the same weights as without a crash, to the last bit"


@exercise("5.8")
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
    expect(not same(found, shares), "the parts' gradients are added but not weighted: too large")
    expect(
        not same(found, equal_parts),
        "the last part has fewer images but counts as much as the others: weight it by its share",
    )
    expect(
        not same(found, last) and not same(found, [grad * 0.2 for grad in last]),
        "only the last part is left: zero_grad belongs before the first part",
    )
    expect(not same(found, sums), "this is the gradient of the sum over the images, not the mean")
    expect(same(found, right), "these are not the gradients of the mean loss over the whole batch")
    # A second call has to find the same: what is left of the first must not count.
    function(model, images, labels, 4)
    sizes: list[int] = []
    backwards: list[Tensor] = []
    model[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
    model[-1].bias.register_post_accumulate_grad_hook(backwards.append)
    again = function(model, images, labels, 4)
    expect(same([g.detach() for g in again], right), "zero_grad is missing before the first part")
    expect(
        max(sizes, default=0) <= 4,
        f"the gradients are right, but {max(sizes, default=0)} images went through the model at "
        "once: cut them into parts of at most `size`",
    )
    expect(
        len(backwards) >= 3,
        "the gradients are right, but call `backward` for each part: one for several parts keeps "
        "all of them in memory",
    )
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
    """The loop of exercise 5.9; other values than the default make a typical mistake."""
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


@exercise("5.9")
def full_parity(function: Any) -> str:
    expect(callable(function), "give the function itself: port, without calling it")
    model, batches = _small_cnn(), _batches(5)
    start = copy.deepcopy(model.state_dict())
    found = function(model)
    expect_result(found, function)
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
