"""The data layer: reading, splitting, batching, augmenting, and what happens to bad input."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.data.augmentation import Augmentation, augment, draw_moves, resize
from helpers.data.batches import Batches, Split
from helpers.data.load import DIGITS, OBJECTS, SAMPLE, channel_statistics, load, stratified_mask
from helpers.support.errors import DataError, UserError


@pytest.fixture(scope="module")
def mnist():
    return load("mnist", mode="sample")


@pytest.fixture(scope="module")
def stand_in():
    return load("cifar10", mode="sample")


def write_prepared(path, train=40, test=20, **changes):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (train, 28, 28), dtype=np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (test, 28, 28), dtype=np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }
    np.savez(path, **(arrays | changes))
    return arrays


def labels_of(batches):
    return torch.cat([labels for _, labels in batches])


def images_of(batches):
    return torch.cat([images for images, _ in batches])


def test_sample_has_the_promised_shapes_and_names_its_source(mnist, stand_in):
    assert mnist.image_shape == (1, 28, 28) and stand_in.image_shape == (3, 32, 32)
    for data in (mnist, stand_in):
        assert [len(data.train), len(data.val), len(data.test)] == [3600, 400, 1000]
        assert data.train.images.dtype == torch.uint8 and data.train.labels.dtype == torch.int64
        assert data.is_sample and data.source
        assert data.classes == (DIGITS if data is mnist else OBJECTS)
    assert "stand-in" in stand_in.title and "CIFAR-10" not in stand_in.name.upper()
    with np.load(SAMPLE / "cifar10_stand_in.npz") as file:
        assert np.array_equal(stand_in.test.images.permute(0, 2, 3, 1), file["x_test"])
        assert np.array_equal(stand_in.test.labels, file["y_test"])


def test_validation_is_stratified_disjoint_and_always_the_same(mnist):
    assert mnist.val.images.sum() == 10_227_547, "published numbers rest on this split"
    assert mnist.val.labels.bincount().tolist() == [40] * 10
    train = {image.numpy().tobytes() for image in mnist.train.images}
    assert not any(image.numpy().tobytes() in train for image in mnist.val.images)


def test_photographs_may_be_mirrored_and_digits_may_not(mnist, stand_in, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(5):
            pixels = np.full((8, 8, 3), 40 * number + ord(name[0]) % 2, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.png")
    for data, mirrored in ((mnist, False), (stand_in, True), (load(str(tmp_path)), True)):
        assert data.augmentation == Augmentation(2, flip=mirrored, reflect=mirrored)


def test_normalised_training_images_have_mean_0_and_standard_deviation_1(stand_in):
    images = stand_in.normalise(stand_in.train.images)
    assert torch.allclose(images.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(images.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)
    some = stand_in.train.images[:9].float()
    assert torch.equal(stand_in.normalise(some), images[:9])
    assert torch.equal(some, stand_in.train.images[:9]), "what was given stays"


def test_channel_statistics_agree_with_numpy():
    images = torch.randint(0, 256, (7, 3, 5, 4), dtype=torch.uint8)
    mean, std = channel_statistics(images)
    assert np.allclose(mean, images.numpy().mean(axis=(0, 2, 3)) / 255)
    assert np.allclose(std, images.numpy().std(axis=(0, 2, 3)) / 255)
    assert channel_statistics(torch.zeros(2, 1, 3, 3, dtype=torch.uint8)) == ((0.0,), (1.0,))


def test_a_subset_is_the_first_images(mnist):
    part = mnist.subset(5)
    assert torch.equal(part.train.images, mnist.train.images[:5]) and part.mean == mnist.mean


def test_the_identity_of_data_changes_with_any_part_of_it(mnist):
    swapped = Split(mnist.val.images, mnist.val.labels.flip(0))
    others = [replace(mnist, **{name: swapped}) for name in ("train", "val", "test")]
    others += [replace(mnist, val=mnist.val[:399]), replace(mnist, classes=OBJECTS)]
    others += [replace(mnist, test=Split(255 - mnist.test.images, mnist.test.labels))]
    same = replace(mnist, test=Split(mnist.test.images.clone(), mnist.test.labels))
    assert same.identity() == mnist.identity()
    assert all(other.identity() != mnist.identity() for other in others)


def test_batches_hold_every_image_once_and_depend_on_seed_and_epoch_only(mnist):
    def batches(seed=3, epoch=0, **options):
        found = mnist.batches("train", 128, seed=seed, **({"shuffle": True} | options))
        found.set_epoch(epoch)
        return found

    first = labels_of(batches())
    assert len(batches()) == 29 and not torch.equal(first, mnist.train.labels)
    assert torch.equal(first.bincount(), mnist.train.labels.bincount())
    again = batches(epoch=1, augment=True)
    images_of(again)
    again.set_epoch(0)
    torch.rand(10)  # what ran before must not matter
    moved = images_of(again)
    assert torch.equal(moved, images_of(batches(augment=True)))
    assert torch.equal(first, labels_of(again)), "augmentation leaves the order alone"
    assert not torch.equal(first, labels_of(batches(epoch=1)))
    assert not torch.equal(first, labels_of(batches(seed=4)))
    assert not torch.equal(moved, images_of(batches()))
    plain = [images_of(batches(epoch=e, augment=True, shuffle=False)) for e in (0, 1)]
    assert not torch.equal(*plain), "other moves in every epoch"


def test_published_numbers_rest_on_this_order(mnist):
    for seed, epoch in ((0, 1), (1, 0), (3, 2)):
        batches = mnist.batches("train", 3600, shuffle=True, seed=seed)
        batches.set_epoch(epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(3600, generator=generator)
        assert labels_of(batches).equal(mnist.train.labels[order])


def test_batches_that_nothing_is_said_of_are_plain_ones(mnist):
    for batches in (mnist.batches("val"), Batches(mnist, mnist.val, 128)):
        plain = {"batch_size": 128, "seed": 0, "rank": 0, "world_size": 1, "epoch": 0}
        plain |= {"shuffle": False, "augmentation": None, "image_sizes": ()}
        assert {name: getattr(batches, name) for name in plain} == plain


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 60),
    batch_size=st.integers(1, 20),
    world_size=st.integers(1, 4),
    shuffle=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_shares_of_a_batch_are_equal_and_together_the_whole(
    mnist, count, batch_size, world_size, shuffle, epoch
):
    data, size = mnist.subset(count), batch_size * world_size

    def batches(rank=0, world_size=1):
        share = {"rank": rank, "world_size": world_size}
        found = data.batches("train", size, shuffle=shuffle, augment=True, seed=5, **share)
        found.set_epoch(epoch)
        assert found.num_images == count and len(found) == len(list(found))
        return list(found)

    shares = [batches(rank, world_size) for rank in range(world_size)]
    if not shuffle:  # validation and test: every image is in exactly one share
        labels = torch.cat([labels_of(share) for share in shares if share])
        assert labels.sort().values.equal(data.train.labels.sort().values)
        assert all(len(labels) <= size for share in shares for _, labels in share)
        if count >= world_size and size > 1:  # or a process would wait for others that are done
            assert len({*map(len, shares)}) == 1
        return
    assert len({tuple(len(labels) for _, labels in share) for share in shares}) == 1
    kept = count - count % world_size
    for number, (images, labels) in enumerate(batches()):
        size_kept = min(len(labels), kept - number * size)
        for rank, share in enumerate(shares):
            if size_kept > 0:
                # The same images, moved in the same way, as one process would have taken.
                assert torch.equal(share[number][0], images[:size_kept][rank::world_size])
                assert torch.equal(share[number][1], labels[:size_kept][rank::world_size])


def test_every_image_of_an_epoch_is_moved_by_its_own_amount_whatever_the_batch_size(mnist):
    one = mnist.train.images[:1].expand(600, -1, -1, -1)
    data = replace(mnist, train=Split(one, mnist.train.labels[:600]))
    epochs = [
        images_of(data.batches("train", size, shuffle=True, augment=True)) for size in (50, 600)
    ]
    assert torch.equal(*epochs)
    assert len(epochs[0].flatten(1).unique(dim=0)) == 25, "5 x 5 shifts of up to 2 pixels"


def test_images_have_the_size_of_their_epoch_and_shift_less_when_smaller(stand_in):
    batches = stand_in.batches("train", 50, augment=True, shuffle=True, image_sizes=(16, 16, 24))
    shapes, crops = [], []
    for epoch in (0, 2, 1, 0, 3):
        batches.set_epoch(epoch)
        images, _ = next(iter(batches))
        shapes.append((*images.shape[2:], batches.scaled.shift))
        crops.append(batches.crops)
    assert shapes == [(16, 16, 1), (24, 24, 2), (16, 16, 1), (16, 16, 1), (32, 32, 2)]
    assert crops[2] is crops[3], "the same size is prepared once"


def test_resized_images_are_means_of_what_they_cover(stand_in):
    images = stand_in.train.images[:7]
    small = resize(images, 16)
    assert small.dtype == torch.uint8 and small.shape == (7, 3, 16, 16)
    difference = small.float().mean(dim=(2, 3)) - images.float().mean(dim=(2, 3))
    assert difference.abs().max() < 0.5 and difference.mean().abs() < 0.1, "rounded, not cut"
    stripes = torch.zeros(1, 1, 32, 32, dtype=torch.uint8)
    stripes[:, :, ::4] = 200
    assert resize(stripes, 8).min() > 30, "no row is passed over"
    many = torch.cat([images] * 300)
    assert torch.equal(resize(many, 16), torch.cat([small] * 300)), "whatever the parts"


def test_without_shuffle_and_augmentation_the_split_comes_as_it_is(mnist):
    for name in ("train", "val", "test"):
        split, batches = getattr(mnist, name), mnist.batches(name, 64)
        assert torch.equal(images_of(batches), mnist.normalise(split.images))
        assert torch.equal(labels_of(batches), split.labels)


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(1, 5),
    channels=st.sampled_from([1, 3]),
    size=st.integers(6, 12),
    shift=st.integers(0, 5),
    flip=st.booleans(),
    reflect=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_an_augmented_image_is_a_window_of_the_padded_one(
    count, channels, size, shift, flip, reflect, seed
):
    shape = (count, channels, size, size + 1)
    images = torch.randint(1, 256, shape, dtype=torch.uint8)
    before = images.clone()
    generator, augmentation = torch.Generator(), Augmentation(shift, flip, reflect)
    result = augment(images, augmentation, generator.manual_seed(seed))
    assert torch.equal(images, before)
    assert result.shape == images.shape and result.dtype == images.dtype
    edges = ((0, 0), (0, 0), (shift, shift), (shift, shift))
    padded = np.pad(images.numpy(), edges, mode="reflect" if reflect else "constant")
    moves = draw_moves(count, augmentation, generator.manual_seed(seed))
    for number, (row, column) in enumerate(zip(moves.rows, moves.columns, strict=True)):
        top, left = shift + row, shift + column
        window = padded[number, :, top : top + size, left : left + size + 1]
        expected = window[:, :, ::-1] if moves.mirrored[number] else window
        assert np.array_equal(result[number], expected)


def test_every_shift_is_drawn_and_half_of_the_images_are_mirrored():
    image = torch.arange(1, 26, dtype=torch.uint8).reshape(1, 1, 5, 5).repeat(400, 1, 1, 1)
    generator = torch.Generator().manual_seed(0)
    moved = augment(image, Augmentation(1, flip=True), generator)
    assert len(moved.flatten(1).unique(dim=0)) == 18, "3 x 3 shifts, each of them mirrored, too"
    assert torch.equal(augment(image, Augmentation(), generator), image)
    flipped = augment(image, Augmentation(0, flip=True), generator)
    assert 160 < (flipped[:, 0, 0, 0] == 5).sum() < 240


@given(st.lists(st.integers(0, 3), min_size=8, max_size=60), st.floats(0.05, 0.9))
def test_stratified_mask_takes_and_leaves_some_of_every_class(labels, fraction):
    labels = torch.tensor(labels * 2)
    mask = stratified_mask(labels, fraction)
    for label in labels.unique():
        members = mask[labels == label]
        assert 1 <= members.sum() < len(members)
        assert abs(int(members.sum()) - fraction * len(members)) <= 1


def test_prepared_file_is_read_and_named(tmp_path):
    arrays = write_prepared(tmp_path / "mnist.npz", source=np.array("drawn at random"))
    data = load("mnist", tmp_path, mode="full")
    assert data.source == "drawn at random" and not data.is_sample and data.title == "MNIST"
    assert np.array_equal(data.test.images[:, 0].numpy(), arrays["x_test"])
    assert len(data.train) + len(data.val) == 40


def test_one_image_a_class_leaves_none_for_validation(tmp_path):
    write_prepared(tmp_path / "mnist.npz", train=10)
    with pytest.raises(DataError, match="validation"):
        load("mnist", tmp_path, mode="full")
    write_prepared(tmp_path / "mnist.npz", train=11)
    assert len(load("mnist", tmp_path, mode="full").val) == 1


def test_the_data_folder_is_an_argument_or_a_variable(tmp_path, monkeypatch):
    for name in ("given", "named", "data"):
        (tmp_path / name).mkdir()
        write_prepared(tmp_path / name / "mnist.npz", source=np.array(name))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("COURSE_DATA", "full")
    monkeypatch.setattr(sys.modules[load.__module__], "ROOT", tmp_path)
    monkeypatch.setenv("COURSE_DATA_DIR", "~/named")
    assert load("mnist", "~/given").source == "given"
    assert load("mnist").source == "named"
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    assert load("mnist").source == "data"


@pytest.mark.parametrize("arguments", [("mnist", ""), ("mnist", " "), ("",)])
def test_an_empty_name_is_not_the_current_folder(arguments):
    with pytest.raises(UserError, match="empty"):
        load(*arguments, mode="full")


def test_unknown_names_and_modes_are_refused(mnist):
    for wrong in (
        *({"name": "imagenet"}, {"mode": "some"}),
        *({"mode": "sample", "val_fraction": fraction} for fraction in (0.0, 1.0)),
    ):
        with pytest.raises(DataError, match=str([*wrong.values()][-1])):
            load(**({"name": "mnist"} | wrong))
    for wrong in (("holdout",), ("train", 0)):
        with pytest.raises(ValueError, match=str(wrong[-1])):
            mnist.batches(*wrong)
    with pytest.raises(ValueError, match="64.* 3"):
        mnist.batches("train", 64, shuffle=True, world_size=3)


def test_shifts_are_scaled_with_the_images():
    scaled = Augmentation(shift=8, flip=True, reflect=True).scaled(0.5)
    assert scaled == Augmentation(shift=4, flip=True, reflect=True)
