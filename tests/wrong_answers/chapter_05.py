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


def _data(
    cut: str = "int(0.8 * len(self.images))",
    train: str = "self.train_set, self.batch_size, shuffle=True",
    val: str = "self.val_set, self.batch_size",
    val_from: str = "cut",
    swap: bool = False,
    loader: str = "DataLoader",
) -> str:
    first, second = ("val", "train") if swap else ("train", "val")
    train, val = (train, val) if loader else ("self.train_set", "self.val_set")
    return f"""
class TensorData(pl.LightningDataModule):
    def __init__(self, images, labels, batch_size):
        super().__init__()
        self.images, self.labels, self.batch_size = images, labels, batch_size

    def setup(self, stage):
        cut, start = {cut}, 0
        start = {val_from}
        self.{first}_set = TensorDataset(self.images[:cut], self.labels[:cut])
        self.{second}_set = TensorDataset(self.images[start:], self.labels[start:])

    def train_dataloader(self):
        return {loader}({train})

    def val_dataloader(self):
        return {loader}({val})
"""


def _answers(*lines: str, end: str = ".argmax(dim=1)") -> str:
    body = "\n    ".join(lines)
    return f"""
def answers_of(module_class, path, images):
    {body}
    with torch.no_grad():
        return module(images){end}
"""


def _finish(*lines: str, epochs: str = "epochs", quiet: str = "**quiet") -> str:
    body = "\n    ".join(lines)
    return f"""
LOUD = {{"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}}


def finish(module, loader, path, epochs, quiet):
    trainer = pl.Trainer(max_epochs={epochs}, {quiet})
    {body}
    return trainer
"""


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


ACCUMULATED = """
    model.zero_grad()
    for part, truth in zip(images.split(size), labels.split(size)):
        loss = F.cross_entropy(model(part), truth)
        (loss * len(part) / len(images)).backward()
"""

WRONG_ANSWERS: dict[str, dict[str, tuple[str, str]]] = {
    "5.1": {
        "forgets to return": (
            _step("F.cross_entropy(logits, labels, label_smoothing=0.1)"),
            "nothing is returned",
        ),
        "a loop over one batch": (
            _step("for images, labels in batch: return F.cross_entropy(logits, labels)"),
            "`images, labels = batch`, no loop",
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
        "does not shuffle": (_data(train="self.train_set, self.batch_size"), "shuffle them"),
        "shuffles the validation": (
            _data(val="self.val_set, self.batch_size, shuffle=True"),
            "validation is shuffled",
        ),
        "validates on training images": (_data(val_from="0"), "in both parts"),
        "swaps the parts": (_data(swap=True), "swapped"),
        "takes the last images": (_data(cut="10", swap=True), "these are others"),
        "ninety per cent": (_data(cut="45"), "80 % would be 40"),
        "drops the last batch": (
            _data(train="self.train_set, self.batch_size, shuffle=True, drop_last=True"),
            "none is dropped",
        ),
        "forgets the batch size": (_data(val="self.val_set"), "batches of 8"),
        "always the same batch size": (
            _data(train="self.train_set, 8, shuffle=True"),
            "batches of 15 were wanted",
        ),
        "forgets to return": (
            _data().replace("return DataLoader(self.val_set", "DataLoader(self.val_set"),
            "`val_dataloader` gives nothing back",
        ),
        "returns the data set": (_data(loader=""), "wrap it into a DataLoader"),
        "forgets the labels": (
            _data(cut="40").replace(", self.labels[:cut]", ""),
            "two tensors: images and labels",
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
        "does not set it": (
            _stop("if not outputs['loss'].isfinite(): trainer.should_stop"),
            "nothing was stopped: `trainer.should_stop = True`",
        ),
        "sets a name of its own": (
            _stop("should_stop = True"),
            "nothing was stopped: `trainer.should_stop = True`",
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
        "stays in training mode": (
            _answers("module = module_class.load_from_checkpoint(path)"),
            "dropout is active",
        ),
        "fresh weights": (_answers("module = module_class(24).eval()"), "fresh weights"),
        "default hyperparameters": (
            _answers(
                "module = module_class().eval()",
                "module.load_state_dict(torch.load(path, weights_only=True)['state_dict'])",
            ),
            "default hyperparameters",
        ),
        "returns logits": (
            _answers("module = module_class.load_from_checkpoint(path).eval()", end=""),
            "take argmax",
        ),
        "forgets to return": (
            _answers("module_class.load_from_checkpoint(path)", end="").replace(
                "    with torch.no_grad():\n        return module(images)", ""
            ),
            "`answers_of` gives nothing back",
        ),
        "the wrong dimension": (
            _answers(
                "module = module_class.load_from_checkpoint(path).eval()", end=".argmax(dim=0)"
            ),
            "argmax over dim=1",
        ),
    },
    "5.7": {
        "starts anew": (_finish("trainer.fit(module, loader)"), "trained again"),
        "counts from the crash": (
            _finish("trainer.fit(module, loader, ckpt_path=path)", epochs="epochs + 2"),
            "too many epochs",
        ),
        "brings back the weights only": (
            _finish(
                "saved = torch.load(path, weights_only=True)",
                "module.load_state_dict(saved['state_dict'])",
                "trainer.fit(module, loader)",
                epochs="epochs - 2",
            ),
            "lost its memory",
        ),
        "weights only, all epochs": (
            _finish(
                "module = type(module).load_from_checkpoint(path)", "trainer.fit(module, loader)"
            ),
            "trained again",
        ),
        "does not train": (_finish("pass"), "has not trained"),
        "litter": (
            _finish("trainer.fit(module, loader, ckpt_path=path)", quiet="**LOUD"),
            "pass **quiet on",
        ),
        "returns the module": (
            _finish("trainer.fit(module, loader, ckpt_path=path)", "return module"),
            "return the Trainer",
        ),
    },
    "5.8": {
        "does not weigh": (
            _parts(
                "    model.zero_grad()\n"
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        F.cross_entropy(model(part), truth).backward()"
            ),
            "not weighted",
        ),
        "weighs all parts alike": (
            _parts(
                "    model.zero_grad()\n"
                "    parts = list(zip(images.split(size), labels.split(size)))\n"
                "    for part, truth in parts:\n"
                "        (F.cross_entropy(model(part), truth) / len(parts)).backward()"
            ),
            "weight it by its share",
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
        "the whole batch at once": (
            _parts("    model.zero_grad()\n    F.cross_entropy(model(images), labels).backward()"),
            "10 images went through the model at once",
        ),
        "one backward at the end": (
            _parts(
                "    model.zero_grad()\n    total = 0.0\n"
                "    for part, truth in zip(images.split(size), labels.split(size)):\n"
                "        total += F.cross_entropy(model(part), truth, reduction='sum')\n"
                "    (total / len(images)).backward()"
            ),
            "call `backward` for each part",
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
            _parts(ACCUMULATED, "bit for bit"),
            "the last bits may differ",
        ),
        "says not at all": (
            _parts(ACCUMULATED, "not at all"),
            "print the largest difference",
        ),
    },
    "5.9": {
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
        "forgets to return": (
            "def port(model):\n    module = pl.LightningModule()",
            "`port` gives nothing back",
        ),
        "returns the module alone": (
            "def port(model):\n    return pl.LightningModule()",
            "return two things",
        ),
    },
}
