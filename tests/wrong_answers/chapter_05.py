"""Typical mistakes in the exercises of chapter 5, and the hint that each must get."""


def _step(body: str) -> str:
    return f"""
class Smoothed(pl.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        images, labels = batch
        logits = self.model(images)
        {body}
"""


def _norm(hook: str, body: str) -> str:
    return f"""
class GradientNorm(pl.Callback):
    def __init__(self):
        self.norms = []

    def {hook}:
        {body}
"""


def _stop(body: str, hook: str = "on_train_batch_end(self, trainer, module, outputs, *_)") -> str:
    return f"""
class StopWhenLost(pl.Callback):
    def {hook}:
        {body}
"""


def _order(*names: str) -> str:
    return f"order = {list(names)}"


def _arguments(**changes: object) -> str:
    right: dict[str, object] = {
        "accumulate_grad_batches": 4,
        "gradient_clip_val": 1.0,
        "limit_train_batches": 0.1,
        "max_time": "00:02:00:00",
    }
    chosen = right | changes
    return f"arguments = { {k: v for k, v in chosen.items() if v is not None} }"


def _parts(lines: str, equality: str = "up to rounding") -> str:
    return f"""
def accumulate(model, images, labels, size):
{lines}
    return [w.grad for w in model.parameters()]


equality = {equality!r}
"""


def _port(
    optimizer: str = "momentum=0.9",
    loss: str = "label_smoothing=0.1",
    schedule: str = '[optimizer], [{"scheduler": schedule, "interval": "step"}]',
    arguments: str = '{"max_epochs": 2, "gradient_clip_val": 0.1}',
    model: str = "model",
) -> str:
    return f"""
import copy

class Ported(pl.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def training_step(self, batch, batch_idx):
        images, labels = batch
        return F.cross_entropy(self.model(images), labels, {loss})

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, {optimizer})
        schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
        return {schedule}


def port(model):
    return Ported({model}), {arguments}
"""


WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "5.1": {
        "forgets to return": (
            _step("F.cross_entropy(logits, labels, label_smoothing=0.1)"),
            "nothing is returned",
        ),
        "returns a number": (
            _step("return F.cross_entropy(logits, labels, label_smoothing=0.1).item()"),
            "return the loss as a tensor",
        ),
        "detaches": (
            _step("return F.cross_entropy(logits, labels, label_smoothing=0.1).detach()"),
            "do not detach",
        ),
        "calls backward": (
            _step(
                "loss = F.cross_entropy(logits, labels, label_smoothing=0.1)\n"
                "        loss.backward()\n        return loss"
            ),
            "leave backward to the Trainer",
        ),
        "forgets the smoothing": (
            _step("return F.cross_entropy(logits, labels)"),
            "label smoothing is missing",
        ),
        "takes softmax first": (
            _step("return F.cross_entropy(logits.softmax(1), labels, label_smoothing=0.1)"),
            "wants logits",
        ),
        "takes the sum": (
            _step("return F.cross_entropy(logits, labels, label_smoothing=0.1, reduction='sum')"),
            "sum over the batch",
        ),
        "returns the logits": (_step("return logits"), "one number for the batch"),
    },
    "5.2": {
        "optimizer when training has started": (
            _order(
                "on_train_start",
                "configure_optimizers",
                "training_step",
                "on_before_zero_grad",
                "on_before_backward",
                "on_before_optimizer_step",
                "validation_step",
                "on_train_epoch_end",
            ),
            "made before training starts",
        ),
        "zero_grad first": (
            _order(
                "configure_optimizers",
                "on_train_start",
                "on_before_zero_grad",
                "training_step",
                "on_before_backward",
                "on_before_optimizer_step",
                "validation_step",
                "on_train_epoch_end",
            ),
            "zero_grad only then",
        ),
        "zero_grad after backward": (
            _order(
                "configure_optimizers",
                "on_train_start",
                "training_step",
                "on_before_backward",
                "on_before_zero_grad",
                "on_before_optimizer_step",
                "validation_step",
                "on_train_epoch_end",
            ),
            "erase the new gradients",
        ),
        "validation after the epoch": (
            _order(
                "configure_optimizers",
                "on_train_start",
                "training_step",
                "on_before_zero_grad",
                "on_before_backward",
                "on_before_optimizer_step",
                "on_train_epoch_end",
                "validation_step",
            ),
            "part of the training epoch",
        ),
        "one is missing": (_order("configure_optimizers", "training_step"), "missing: "),
        "one word": ("order = 'configure_optimizers'", "a list of names"),
    },
    "5.3": {
        "drops every row": (
            "def by_epoch(path):\n    return pd.read_csv(path).dropna()",
            "no row is left",
        ),
        "leaves the file as it is": (
            "def by_epoch(path):\n    return pd.read_csv(path)",
            "not one row for each epoch, and there are gaps",
        ),
        "groups by step": (
            "def by_epoch(path):\n    return pd.read_csv(path).groupby('step').first()",
            "put the rows together that have the same epoch",
        ),
        "fills gaps from the row above": (
            "def by_epoch(path):\n"
            "    return pd.read_csv(path).ffill().drop_duplicates('epoch').dropna()",
            "not one row for each epoch",
        ),
        "takes the first row of each epoch": (
            "def by_epoch(path):\n"
            "    return pd.read_csv(path).dropna(subset='epoch').drop_duplicates('epoch')",
            "still gaps",
        ),
        "shuffles the epochs": (
            "def by_epoch(path):\n    return pd.read_csv(path).groupby('epoch').first().iloc[::-1]",
            "in order of the epochs",
        ),
        "returns lists": (
            "def by_epoch(path):\n    return pd.read_csv(path)['train_loss'].dropna().tolist()",
            "a DataFrame",
        ),
    },
    "5.4": {
        "too early in the first step": (
            _norm(
                "on_before_backward(self, trainer, module, loss)",
                "self.norms.append(sum(w.grad.pow(2).sum() for w in module.parameters()).sqrt())",
            ),
            "the gradients are None",
        ),
        "the step before": (
            _norm(
                "on_before_zero_grad(self, trainer, module, optimizer)",
                "self.norms.append(sum((w.grad.pow(2).sum() for w in module.parameters()\n"
                "            if w.grad is not None), torch.tensor(0.0)).sqrt())",
            ),
            "gradients of the step before",
        ),
        "the weights": (
            _norm(
                "on_after_backward(self, trainer, module)",
                "self.norms.append(sum(w.detach().pow(2).sum()"
                " for w in module.parameters()).sqrt())",
            ),
            "norm of the weights",
        ),
        "adds norms": (
            _norm(
                "on_after_backward(self, trainer, module)",
                "self.norms.append(sum(w.grad.norm() for w in module.parameters()))",
            ),
            "cannot be added",
        ),
        "forgets the root": (
            _norm(
                "on_after_backward(self, trainer, module)",
                "self.norms.append(sum(w.grad.pow(2).sum() for w in module.parameters()))",
            ),
            "the root is missing",
        ),
        "the largest": (
            _norm(
                "on_after_backward(self, trainer, module)",
                "self.norms.append(max(w.grad.abs().max() for w in module.parameters()))",
            ),
            "the largest gradient",
        ),
        "once an epoch": (
            _norm(
                "on_train_epoch_end(self, trainer, module)",
                "self.norms.append(sum(w.grad.pow(2).sum() for w in module.parameters()).sqrt())",
            ),
            "append one number for each step",
        ),
        "no hook": (_norm("measure(self)", "self.norms.append(0.0)"), "the name of a hook"),
    },
    "5.5": {
        "nan equals nan": (
            _stop("trainer.should_stop = bool(outputs['loss'] == float('nan'))"),
            "nan == nan is False",
        ),
        "infinity unnoticed": (
            _stop("trainer.should_stop = bool(outputs['loss'].isnan())"),
            "infinite loss went unnoticed",
        ),
        "only at the end of the epoch": (
            """
class StopWhenLost(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, *_):
        self.lost = getattr(self, "lost", False) or not outputs["loss"].isfinite()

    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = self.lost
""",
            "look after every batch",
        ),
        "always": (_stop("trainer.should_stop = True"), "a healthy training was stopped"),
        "the wrong way round": (
            _stop("trainer.should_stop = bool(outputs['loss'].isfinite())"),
            "a healthy training was stopped",
        ),
    },
    "5.6": {
        "counts images": (_arguments(accumulate_grad_batches=256), "counts batches, not images"),
        "no accumulation": (_arguments(accumulate_grad_batches=None), "have to be accumulated"),
        "ten batches": (_arguments(limit_train_batches=10), "means 10 batches"),
        "two days": (_arguments(max_time="02:00:00:00"), "two days"),
        "clips values": (_arguments(gradient_clip_algorithm="value"), "clipping by value"),
        "no clipping": (_arguments(gradient_clip_val=None), "nothing shortens"),
        "an argument that is none": (_arguments(batch_size=256), "no argument named batch_size"),
    },
    "5.7": {
        "does not weigh": (
            _parts(
                "    model.zero_grad()\n"
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        F.cross_entropy(model(part), truth).backward()"
            ),
            "not weighed",
        ),
        "weighs all parts alike": (
            _parts(
                "    model.zero_grad()\n"
                "    parts = list(zip(images.split(size), labels.split(size)))\n"
                "    for part, truth in parts:\n"
                "        (F.cross_entropy(model(part), truth) / len(parts)).backward()"
            ),
            "weigh it by its share",
        ),
        "zero_grad in each part": (
            _parts(
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        model.zero_grad()\n"
                "        loss = F.cross_entropy(model(part), truth)\n"
                "        (loss * len(part) / len(images)).backward()"
            ),
            "only the last part is left",
        ),
        "no zero_grad": (
            _parts(
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        loss = F.cross_entropy(model(part), truth)\n"
                "        (loss * len(part) / len(images)).backward()"
            ),
            "zero_grad is missing",
        ),
        "takes the sum": (
            _parts(
                "    model.zero_grad()\n"
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        F.cross_entropy(model(part), truth, reduction='sum').backward()"
            ),
            "gradient of the sum",
        ),
        "says bit for bit": (
            _parts(
                "    model.zero_grad()\n    F.cross_entropy(model(images), labels).backward()",
                "bit for bit",
            ),
            "the last bits may differ",
        ),
        "says not at all": (
            _parts(
                "    model.zero_grad()\n    F.cross_entropy(model(images), labels).backward()",
                "not at all",
            ),
            "print the largest difference",
        ),
    },
    "5.8": {
        "moves the schedule once an epoch": (
            _port(schedule="[optimizer], [schedule]"),
            '"interval": "step"',
        ),
        "forgets the schedule": (_port(schedule="optimizer"), "there is no schedule"),
        "forgets the clipping": (_port(arguments='{"max_epochs": 2}'), "not clipped"),
        "clips by value": (
            _port(
                arguments='{"max_epochs": 2, "gradient_clip_val": 0.1,'
                ' "gradient_clip_algorithm": "value"}'
            ),
            "clipped by value",
        ),
        "forgets the smoothing": (_port(loss="label_smoothing=0.0"), "smoothing is missing"),
        "forgets the momentum": (_port(optimizer="momentum=0.0"), "momentum of SGD is missing"),
        "trains a copy": (_port(model="copy.deepcopy(model)"), "did not change"),
        "one epoch": (
            _port(arguments='{"max_epochs": 1, "gradient_clip_val": 0.1}'),
            "that was one epoch",
        ),
        "forgets interval and clipping": (
            _port(schedule="[optimizer], [schedule]", arguments='{"max_epochs": 2}'),
            "both are missing",
        ),
        "returns the module alone": (
            "def port(model):\n    return pl.LightningModule()",
            "return two things",
        ),
    },
}
