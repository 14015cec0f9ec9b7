"""A folder of own pictures as a data set: what is read, what is left out, what is refused."""

import itertools
import os
import random
import re
import shutil
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import commands.run
from helpers.data.load import load
from helpers.data.pictures import HARMLESS, LEFTOVERS, Finder, read_image, squeeze
from helpers.support.errors import DataError


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    """A small picture file, to be linked to wherever its pixels do not matter."""
    path = tmp_path_factory.mktemp("photo") / "4x4.png"
    Image.new("RGB", (4, 4), "red").save(path)
    return path


COLOURS = itertools.count()


def new_photo(path):
    """A small picture file like no other: of pictures that are alike a warning would tell."""
    number = next(COLOURS)
    Image.new("RGB", (4, 4), (number % 256, number // 256, 0)).save(path, format="PNG")


@pytest.fixture
def plant(tmp_path):
    """Make folders with so many pictures each, such as `plant("train/cats train/dogs", 3)`."""

    def make(folders, count=3, suffix=".png"):
        for folder in folders.split() if isinstance(folders, str) else folders:
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                new_photo(tmp_path / folder / f"{number}{suffix}")

    return make


def make_classes(root, classes=("cats", "dogs"), count=10, seed=0):
    rng = np.random.default_rng(seed)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.png")


def refusal(folder):
    """The one line with which a folder is refused."""
    with pytest.raises(DataError) as error:
        load(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def left_out(folder):
    """The data set, and the one line that says what is not in it."""
    with pytest.warns(UserWarning, match="left out") as caught:
        data = load(str(folder))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    return data, str(caught[0].message)


def sizes(data):
    return [len(data.train), len(data.val), len(data.test)]


def per_class(data):
    labels = torch.cat([data.train.labels, data.val.labels, data.test.labels])
    return dict(zip(data.classes, labels.bincount().tolist(), strict=True))


def test_train_and_test_folders_are_a_data_set(tmp_path):
    make_classes(tmp_path / "train")
    make_classes(tmp_path / "test", count=4, seed=1)
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs") and data.image_shape == (3, 32, 32)
    assert sizes(data) == [18, 2, 8] and not data.is_sample
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4
    first = squeeze(read_image(tmp_path / "test" / "cats" / "0.png"), 32, 32)
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), first)


@pytest.mark.parametrize("where", ["", "train"])
def test_without_a_test_folder_a_fifth_is_kept_for_testing(where, tmp_path):
    make_classes(tmp_path / where)
    data = load(str(tmp_path))
    assert sizes(data) == [14, 2, 4]
    assert data.test.labels.bincount().tolist() == [2, 2]
    assert load(str(tmp_path)).identity() == data.identity()
    seen = {image.numpy().tobytes() for image in torch.cat([data.train.images, data.val.images])}
    assert not any(image.numpy().tobytes() in seen for image in data.test.images)


def test_the_source_is_the_same_from_everywhere_and_another_for_a_namesake(
    plant, tmp_path, monkeypatch
):
    plant("a/pets/cats a/pets/dogs b/pets/cats b/pets/dogs")
    whole = load(str(tmp_path / "a" / "pets"))
    monkeypatch.chdir(tmp_path / "a")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load("pets").identity() == load("~/a/pets").identity() == whole.identity()
    assert str(tmp_path / "a" / "pets") in whole.source
    assert load("../b/pets").source != whole.source


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Validation", "TEST"),
        ("seg_train/seg_train", "seg_dev", "seg_test/seg_test"),
        ("trainset", "validset", "testset"),
        ("train_images", "val-images", "Test Images"),
        ("training_set", "valid", "test_set"),
        ("training photos", "validation pictures", "testing img"),
        ("train split", "val_1", "test-data"),
        ("letters_train", "letters_val", "letters_eval"),
        ("archive/data/train", "archive/data/valid", "archive/data/evaluation"),
    ],
)
def test_splits_have_many_names(train, val, test, plant, tmp_path):
    plant([f"{train}/cats", f"{train}/dogs"], 5)
    plant([f"{test}/cats", f"{test}/dogs"], 4)
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs") and sizes(data) == [8, 2, 8]
    plant([f"{val}/cats", f"{val}/dogs"], 2)
    assert sizes(load(str(tmp_path))) == [10, 4, 8]


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        ("car ship train", "car ship train"),
        ("training swimming", "swimming training"),
        ("car ship train train/steam train/car", "car ship train"),
        ("steam_train/red bullet_train", "bullet_train steam_train"),
        ("cats/one cats/two dogs/one dogs/two", "cats dogs"),
        ("cats cats/dogs dogs dogs/cats", "cats dogs"),
        ("blood_test eye_test", "blood_test eye_test"),
        ("train/test train/control", "control test"),
        ("cats/train/one cats/other dogs", "cats dogs"),
        ("pets/pets/cats pets/pets/dogs", "cats dogs"),
        ("data/train/cats data/train/dogs", "cats dogs"),
        ("cats dogs test/cats test/dogs", "cats dogs"),
        ("cats dogs my_val/cats my_val/dogs", "cats dogs"),
    ],
)
def test_folders_that_are_called_like_splits_are_what_they_plainly_are(
    folders, classes, plant, tmp_path
):
    plant(folders)
    data = load(str(tmp_path))
    assert data.classes == tuple(classes.split())
    assert sum(sizes(data)) == 3 * len(folders.split())


@pytest.mark.parametrize(
    "folders",
    [
        "cats dogs test",
        "cats dogs val/kittens val/puppies",
        "train/cats train/dogs predict",
        "seg_train/cats seg_train/dogs seg_pred/seg_pred",
        "car ship train/steam train/electric",
        "cats dogs holdout/cats holdout/dogs",
        "cats dogs pets/cats pets/dogs",
        "cats dogs old/pets/cats old/pets/dogs old/pets/birds",
        "cats dogs train/cats train/dogs",
        "train/cats train/dogs holdout/cats holdout/dogs",
        "cats dogs train/cats train/dogs val/cats val/dogs",
        "train/cats train/dogs val/cats val/dogs valid/cats valid/dogs",
        "train1/cats train1/dogs train2/cats train2/dogs",
        "trainval/cats trainval/dogs test/cats test/dogs",
        "test/cats test/dogs",
        "car ship train test",
        "cats/train cats/test dogs/train dogs/test",
        "train/train/cats train/train/dogs train/test/cats train/test/dogs",
        "train test",
    ],
)
def test_what_may_be_splits_or_classes_is_refused_with_the_layout(folders, plant, tmp_path):
    plant(folders)
    assert "train/CLASS/" in refusal(tmp_path)


def test_what_is_beside_splits_or_classes_is_named(plant, tmp_path):
    plant("seg_train/a seg_train/b seg_test/a seg_test/b seg_pred/seg_pred")
    plant("seg_train .", count=1, suffix=".jpg")
    data, line = left_out(tmp_path)
    assert data.classes == ("a", "b") and sum(sizes(data)) == 12
    assert "(seg_pred)" in line and "2 outside" in line and "0.jpg, seg_train/0.jpg" in line


def test_three_pictures_a_class_are_enough_and_fewer_are_not(plant, tmp_path):
    plant("cats dogs")
    assert sizes(load(str(tmp_path))) == [2, 2, 2]
    (tmp_path / "cats" / "0.png").unlink()
    assert "cats (2); a class needs 3" in refusal(tmp_path)
    plant("pets/train/cats pets/train/dogs", 2)
    plant("pets/test/cats pets/test/dogs", 1)
    assert sizes(load(str(tmp_path / "pets"))) == [2, 2, 2]
    plant("pets/val/cats pets/val/dogs", 1)
    (tmp_path / "pets" / "train" / "cats" / "0.png").unlink()
    assert sizes(load(str(tmp_path / "pets"))) == [3, 2, 2]


def test_any_size_suffix_and_mode_is_read(plant, tmp_path):
    plant("cats dogs", 2)
    plant("cats dogs", 2, suffix=".JPG")
    for name in ("cats", "dogs"):
        Image.new("RGBA", (300, 7)).save(tmp_path / name / "flat.webp")
        Image.new("I;16", (1, 1)).save(tmp_path / name / "deep.tiff")
        Image.new("P", (90, 40)).save(tmp_path / name / "palette.GIF")
        Image.new("RGB", (9, 9)).save(tmp_path / name / "any.pnm", "PPM")
        for suffix in ("j2k", "jpx"):
            Image.new("RGB", (64, 64)).save(tmp_path / name / f"wave.{suffix}", "JPEG2000")
    with pytest.warns(UserWarning, match="more than one class") as caught:  # all are black
        assert per_class(load(str(tmp_path))) == {"cats": 10, "dogs": 10}
    assert len(caught) == 1


def test_hidden_and_system_files_are_passed_over_without_a_word(plant, tmp_path):
    plant("cats/kittens/small dogs .git/cats cats/.thumbnails .Trash-1000 dogs/.ipynb_checkpoints")
    for (
        name
    ) in ".DS_Store cats/.DS_Store cats/Thumbs.db dogs/._0.png cats/~$a.doc dogs/a.txt".split():
        (tmp_path / name).write_bytes(b"nothing")
    assert per_class(load(str(tmp_path))) == {"cats": 3, "dogs": 3}


def test_words_that_people_use_are_classes(plant, tmp_path):
    plant("organic recycled Recycler Recovered")
    assert set(load(str(tmp_path)).classes) == {"organic", "recycled", "Recycler", "Recovered"}


def test_folders_of_systems_are_no_classes_and_said(plant, tmp_path):
    plant("cats dogs __MACOSX cats/@eaDir dogs/old/$RECYCLE.BIN #recycle/cats lost+found")
    (tmp_path / "System Volume Information").mkdir()
    (tmp_path / "dogs" / "~$x.png").write_bytes(b"locked")
    data, line = left_out(tmp_path)
    assert per_class(data) == {"cats": 3, "dogs": 3} and " 7 " in line and "#recycle" in line


@pytest.mark.parametrize("where", ["cats", "cats/deep/down"])
def test_what_is_no_picture_file_is_never_opened_and_said(where, plant, tmp_path, photo):
    plant("cats dogs cats/deep/down")
    place = tmp_path / where
    os.mkfifo(place / "q.png")
    os.mkfifo(place / "q")
    (place / "device.png").symlink_to("/dev/zero")
    (place / "gone.png").symlink_to("nowhere")
    (place / "round.png").symlink_to("round.png")
    os.link(photo, place / "a photo")
    for name, start in {
        "a.psd": b"8BPS",
        "b.jxl": b"\0\0\0\x0cJXL ",
        "c": b"\0\0\0\x0cjP  ",
    }.items():
        (place / name).write_bytes(start + bytes(20))
    data, line = left_out(tmp_path)
    assert per_class(data) == {"cats": 6, "dogs": 3}
    assert f"3 neither file nor folder ({where}/device.png, " in line
    assert f"2 linked to nothing ({where}/gone.png, {where}/round.png)" in line
    assert f"4 not named like a picture ({where}/a photo, {where}/a.psd, " in line
    finder = Finder(tmp_path / "cats")
    assert len(finder.pictures(tmp_path / "cats")) == 6 and "q.png" in finder.report()


def test_pictures_are_found_at_any_depth_and_sorted_by_path(plant, tmp_path):
    plant("z/deep z z-1 .cache", 1)
    plant(".", 1, suffix=".JPG")
    found = [path.relative_to(tmp_path).as_posix() for path in Finder(tmp_path).pictures(tmp_path)]
    assert found == ["0.JPG", "z/0.png", "z/deep/0.png", "z-1/0.png"]


def test_linked_folders_are_followed_once(plant, tmp_path):
    plant("more/kittens/small birds pets/cats pets/dogs")
    pets = tmp_path / "pets"
    (pets / "birds").symlink_to(tmp_path / "birds")
    (pets / "cats" / "kittens").symlink_to(tmp_path / "more" / "kittens")
    (pets / "cats" / "1b.png").symlink_to("1.png")
    assert per_class(load(str(pets))) == {"birds": 3, "cats": 7, "dogs": 3}
    loops = {"cats/own": ".", "cats/up": "..", "dogs/top": "../..", "hens": "birds", "val": "cats"}
    loops |= {"dogs/birds": str(tmp_path / "birds"), "dogs/more": str(tmp_path / "more")}
    for name, target in loops.items():
        (pets / name).symlink_to(target)
    (tmp_path / "more" / "kittens" / "back").symlink_to("..")
    data, line = left_out(pets)
    assert per_class(data) == {"birds": 3, "cats": 7, "dogs": 3} and " 5 linked" in line
    assert " 3 linked to a folder around" in line


def test_a_folder_around_a_linked_one_is_another_matter(plant, tmp_path):
    plant("raw raw/x pets/dogs")
    for name, target in {"a": "raw/x", "b": "raw"}.items():
        (tmp_path / "pets" / name).symlink_to(tmp_path / target)
    finder = Finder(tmp_path / "pets")
    assert len(finder.pictures(tmp_path / "pets")) == 6
    assert "around" in finder.report() and not finder.left_out.keys() <= HARMLESS


def test_a_fraction_without_effect_is_said(plant, tmp_path):
    plant("train/cats train/dogs val/cats val/dogs")
    load(str(tmp_path))
    with pytest.warns(UserWarning, match=r"fraction 0\.3 changes nothing"):
        load(str(tmp_path), val_fraction=0.3)


def warned(folder):
    with pytest.warns(UserWarning) as caught:
        load(str(folder))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    return str(caught[0].message)


def test_pictures_that_are_in_two_splits_or_classes_are_said(plant, tmp_path):
    plant("train/cats train/dogs val/cats val/dogs test/cats test/dogs", 4)
    load(str(tmp_path))
    shutil.copy(tmp_path / "train/cats/0.png", tmp_path / "test/cats/copy.png")
    os.link(tmp_path / "val/dogs/1.png", tmp_path / "test/dogs/link.png")
    assert warned(tmp_path).endswith(
        ": 2 of 10 test pictures are in another split, too: accuracies mislead, so remove the "
        "copies"
    )
    shutil.copy(tmp_path / "train/dogs/2.png", tmp_path / "val/cats/2.png")
    said = warned(tmp_path)
    assert ": 1 of 8 validation pictures are in another split, too; 2 of 10 test" in said
    assert "; pictures that are in more than one class: 1:" in said


def test_copies_in_one_class_that_are_dealt_to_several_splits_are_said(plant, tmp_path):
    plant("cats dogs", 1)
    for number in range(9):
        shutil.copy(tmp_path / "cats/0.png", tmp_path / f"cats/0 ({number}).png")
        new_photo(tmp_path / f"dogs/{number + 1}.png")
    assert "1 of 2 validation pictures are in another split, too; 2 of 4 test" in warned(tmp_path)


def test_composed_and_decomposed_names_are_one(plant, tmp_path):
    one, other = (unicodedata.normalize(form, "Äpfel_é") for form in ("NFC", "NFD"))
    plant(f"train/{one} train/{other} train/Zwetschgen test/{other} test/Zwetschgen", 2)
    data = load(str(tmp_path))
    assert data.classes == ("Zwetschgen", one) and per_class(data) == {one: 6, "Zwetschgen": 4}
    assert sizes(data)[2] == 4


def test_unreadable_pictures_are_counted_and_a_few_are_named(plant, tmp_path):
    plant("cats dogs")
    for name in ("b c.jpg", "phone.heic", *(f"{number}.gif" for number in range(20))):
        (tmp_path / "cats" / name).write_bytes(b"not a picture")
    data, line = left_out(tmp_path)
    assert per_class(data) == {"cats": 3, "dogs": 3}
    assert "22 unreadable (cats/0.gif, cats/1.gif, cats/10.gif and 19 more)" in line


def test_folders_without_classes_are_refused(plant, tmp_path):
    assert "class folders: none;" in refusal(tmp_path)
    plant("train .")
    line = refusal(tmp_path)
    assert "train: class folders: none;" in line and "6 outside" in line
    plant("pets/cats pets/cats/kittens pets/cats/toms")
    assert "class folders: cats;" in refusal(tmp_path / "pets")
    plant("d/pets/cats d/pets/dogs d")
    assert "class folders: pets;" in refusal(tmp_path / "d")


def test_empty_class_folders_are_refused_with_what_was_in_them(plant, tmp_path):
    plant("cats dogs birds", 4)
    for name in ("fish", "two\nlines"):
        (tmp_path / name).mkdir()
    assert r"fish (0), two\nlines (0);" in refusal(tmp_path)
    (tmp_path / "fish" / "1.png").write_bytes(b"")
    os.mkfifo(tmp_path / "fish" / "2.png")
    line = refusal(tmp_path)
    assert "1 unreadable (fish/1.png)" in line and "1 neither file nor folder (fish/2.png)" in line


def test_training_and_test_need_the_same_classes(plant, tmp_path):
    plant("train/cats train/dogs test/cats test/dogs test/birds")
    assert "train lacks the class folders birds; both" in refusal(tmp_path)
    plant("train/birds train/fish test/fishes val/cats val/dogs val/birds val/fish")
    line = refusal(tmp_path)
    assert "train lacks the class folders fishes and test lacks the class folders fish;" in line
    (tmp_path / "test" / "fishes").rename(tmp_path / "test" / "fish")
    (tmp_path / "val" / "fish").rename(tmp_path / "elsewhere")
    assert "val lacks the class folders fish;" in refusal(tmp_path)
    (tmp_path / "val" / "fish").mkdir()
    assert "val: too few pictures: fish (0);" in refusal(tmp_path)


def test_strange_class_names_are_kept(plant, tmp_path):
    names = (
        "[red]",
        "a:b",
        "$x$",
        "with space",
        "🐈‍⬛",
        "n" * 200,
        "new\nline",
        r"\alpha",
        "%s",
        "{0}",
    )
    plant(names)
    assert load(str(tmp_path)).classes == tuple(sorted(names))


def test_impossible_names_are_no_data_sets():
    for name in ("a" * 5000, "nul\0"):
        with pytest.raises(DataError, match="unknown data set"):
            load(name)


def test_the_scripts_say_it_in_one_line_and_status_2(plant, tmp_path, capsys):
    plant("cats")
    flags = ["--dataset", str(tmp_path), "--out", str(tmp_path / "out")]
    assert commands.run.main("train.py", "", lambda run: pytest.fail("must not train"), flags) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "class folders: cats;" in err


STRANGE = (
    "[red]",
    "a:b",
    "$x$",
    "space ",
    "🐈‍⬛",
    "Äpfel",
    "new\nline",
    "na\udcefve",
    "-x",
    "n" * 80,
)
SPLITS = {
    "train": ("train", "Training", "seg_train", "TrainSet", "train_images", "training data"),
    "val": ("val", "valid", "Validation", "seg_val", "DEV", "val_images"),
    "test": ("test", "Test", "seg_test", "testset", "Eval", "test-images"),
}
NOISE = "hidden text leftover pipe broken loop misnamed torn loose".split()


def is_class_name(name):
    looks_else = re.match(r"\.|~\$|.*(train|val|dev|test)", name, re.IGNORECASE | re.DOTALL)
    return not looks_else and name.lower() not in LEFTOVERS


any_character = st.characters(exclude_categories=["Cs"], exclude_characters="/\0")
class_names = (
    (st.sampled_from(STRANGE) | st.text(any_character, min_size=1, max_size=12))
    .map(lambda name: unicodedata.normalize("NFC", name))
    .filter(is_class_name)
)


def grow(root, photo, names, rng):
    """Make a tree of these classes at random below `root / "pets"`.

    Returns how many pictures each class has in each split, or None if the tree is to be refused,
    and how many things are to be reported as left out.
    """

    def pick(*choices):
        return rng.choice(choices)

    def put(folder, name):
        folder.mkdir(parents=True, exist_ok=True)
        new_photo(folder / name)

    top = root / "pets" / pick("", "archive", "päts/data")
    own = pick((), ("val",), ("test",), ("test", "val"))
    fault = pick(None, None, None, "few", "empty", "twice", "unlabelled")
    roots, places, counts = {}, [], {}
    for split in ("train", *own):
        folder = pick(*SPLITS[split], *[""] * 6 * (split == "train"))
        roots[split] = top / folder / pick("", folder)
        for number, name in enumerate(names):
            counts[split, name] = pick(1, 2, 3) + (2 - len(own)) * (split == "train")
            if fault == "few" and split == "train" and number == 0:
                counts[split, name] = 2 - len(own)
            for picture in range(counts[split, name]):
                place = roots[split] / unicodedata.normalize(pick("NFC", "NFD"), name)
                places.append(place)
                place.mkdir(parents=True, exist_ok=True)
                if rng.random() < 0.1:
                    link = place / f"linked {picture}"
                    link.symlink_to(root / f"{split} {number} {picture}")
                    place = link.readlink()
                inside = pick("", "", "", "", "more", "x/y")
                put(place / inside, f"{picture}{pick('.png', '.PNG', '.Jpg')}")
    if fault == "empty":
        (roots[pick(*roots)] / "nothing").mkdir()
    elif fault == "twice":
        for name in names:
            put(top / f"{pick(*roots)}_2" / name, "0.png")
    elif fault == "unlabelled":
        put(top / "test 2", "0.png")

    said = set()
    for number, kind in enumerate(rng.choices(NOISE, k=pick(0, 1, 6))):
        # A folder of folders and pictures with nothing beside it may be one class: not made here.
        plain = [root / "pets"] if top == root / "pets" else []
        plain += [folder for folder in roots.values() if folder.parent == top]
        where = {"torn": places, "loose": plain or places}
        kind = "torn" if kind == "loose" and not plain else kind
        place = pick(*where.get(kind, [root / "pets", top, *roots.values(), *places]))
        path = place / f"noise {number}.png"
        if kind == "hidden":
            put(place / pick(".git", ".Trash-1000", ""), f".{number}.png")
        elif kind == "text":
            path.with_suffix(".txt").write_text("GIF or JPEG?")
        elif kind == "leftover":
            path = place / pick("@eaDir", "__MACOSX", "lost+found")
            put(path / "cats", f"{number}.png")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind in ("broken", "loop"):
            path.symlink_to("nowhere" if kind == "broken" else pick(".", "..", "/"))
        elif kind == "torn":
            path.write_bytes(photo.read_bytes()[:20])
        else:
            path = path.with_suffix(".bak" if kind == "misnamed" else ".png")
            new_photo(path)
        said |= {path} if kind not in ("hidden", "text") else set()
    return (None if fault else counts), len(said)


@settings(max_examples=75, deadline=None)
@given(names=st.lists(class_names, min_size=2, max_size=4, unique=True), seed=st.integers(0))
def test_any_tree_is_read_as_it_was_made_or_refused_in_one_line(photo, names, seed):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        counts, said = grow(Path(folder), photo, names, random.Random(seed))
        pets = os.path.join(folder, "pets")
        if counts is None:
            refusal(pets)
            return
        found = load(pets)
    assert found.classes == tuple(sorted({name for _, name in counts}))
    for split in ("val", "test"):
        for label, name in enumerate(found.classes):
            if (split, name) in counts:
                assert (getattr(found, split).labels == label).sum() == counts[split, name]
    expected = {name: sum(n for (_, c), n in counts.items() if c == name) for name in found.classes}
    assert per_class(found) == expected
    lines = [str(warning.message) for warning in caught]
    reasons = "left|linked|neither|not named|unreadable|outside"
    numbers = re.findall(rf" (\d+) (?:{reasons}) ", lines[0]) if lines else []
    assert len(lines) == (said > 0) and sum(map(int, numbers)) == said
