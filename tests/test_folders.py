"""A folder of own pictures as a data set: what is read, what is passed over, what is refused."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image

import commands.run
from helpers.data.load import load
from helpers.data.pictures import read_image, squeeze
from helpers.errors import DataError


def make_classes(root, classes=("cats", "dogs"), count=10, suffix="png"):
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (20 + number, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number}.{suffix}")


def refusal(folder):
    """The one line with which a folder is refused."""
    with pytest.raises(DataError) as error:
        load(str(folder))
    assert "\n" not in str(error.value)
    return str(error.value)


def sizes(data):
    return [len(data.train), len(data.val), len(data.test)]


def test_train_and_test_folders_are_a_data_set(tmp_path):
    make_classes(tmp_path / "train")
    make_classes(tmp_path / "test", count=4)
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs") and data.image_shape == (3, 32, 32)
    assert sizes(data) == [18, 2, 8] and not data.is_sample
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4
    assert data.source == f"the image folder {tmp_path.name}"
    first = squeeze(read_image(tmp_path / "test" / "cats" / "0.png"), 32, 32)
    assert np.array_equal(data.test.images[0].permute(1, 2, 0).numpy(), first)


def test_train_and_test_may_be_written_in_capitals_and_other_parts_are_not_read(tmp_path):
    make_classes(tmp_path / "Train")
    make_classes(tmp_path / "TEST", count=4)
    make_classes(tmp_path / "valid", count=3)
    assert sizes(load(str(tmp_path))) == [18, 2, 8]


@pytest.mark.parametrize("where", ["", "train"])
def test_without_a_test_folder_a_fifth_is_kept_for_testing(where, tmp_path):
    make_classes(tmp_path / where)
    data = load(str(tmp_path))
    assert sizes(data) == [14, 2, 4]
    assert data.test.labels.bincount().tolist() == [2, 2]
    again = load(str(tmp_path))
    assert torch.equal(data.test.images, again.test.images)
    seen = {image.numpy().tobytes() for image in torch.cat([data.train.images, data.val.images])}
    assert not any(image.numpy().tobytes() in seen for image in data.test.images)


def test_labels_follow_the_sorted_names_whatever_the_file_system_says(tmp_path):
    names = ("zebra", "Ant", "bee", "été", "10", "9")
    make_classes(tmp_path, names, count=3)
    assert load(str(tmp_path)).classes == tuple(sorted(names))


def test_three_pictures_a_class_are_enough_for_all_three_splits(tmp_path):
    make_classes(tmp_path, count=3)
    assert sizes(load(str(tmp_path))) == [2, 2, 2]
    make_classes(tmp_path / "pets" / "train", count=2)
    make_classes(tmp_path / "pets" / "test", count=1)
    assert sizes(load(str(tmp_path / "pets"))) == [2, 2, 2]


def test_any_size_suffix_and_mode_is_read(tmp_path):
    make_classes(tmp_path, count=2)
    make_classes(tmp_path, count=2, suffix="JPG")
    for name in ("cats", "dogs"):
        Image.new("RGBA", (300, 7)).save(tmp_path / name / "flat.webp")
        Image.new("I;16", (1, 1)).save(tmp_path / name / "deep.tiff")
        Image.new("P", (90, 40)).save(tmp_path / name / "palette.GIF")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sum(sizes(load(str(tmp_path)))) == 14


def test_hidden_files_and_those_of_systems_are_passed_over(tmp_path):
    make_classes(tmp_path)
    make_classes(tmp_path, ("__MACOSX", ".thumbnails", "cats/.hidden", "cats/__MACOSX"))
    for name in (".DS_Store", "cats/.DS_Store", "cats/Thumbs.db", "dogs/._0.png", "dogs/notes.txt"):
        (tmp_path / name).write_bytes(b"nothing")
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs") and sum(sizes(data)) == 20


def test_folders_inside_a_class_belong_to_it(tmp_path):
    make_classes(tmp_path)
    make_classes(tmp_path / "cats", ("kittens", "kittens/small"), count=2)
    data = load(str(tmp_path))
    assert data.classes == ("cats", "dogs")
    labels = torch.cat([data.train.labels, data.val.labels, data.test.labels])
    assert labels.bincount().tolist() == [14, 10]


def test_a_class_may_be_called_train(tmp_path):
    make_classes(tmp_path, ("car", "train", "ship"))
    assert load(str(tmp_path)).classes == ("car", "ship", "train")


def test_unreadable_pictures_are_named_counted_and_skipped(tmp_path):
    make_classes(tmp_path)
    for name in ("cats/a.png", "cats/b c.jpg", "dogs/phone.heic"):
        (tmp_path / name).write_bytes(b"not a picture")
    message = (
        r"3 unreadable images skipped: 2 of cats \(a\.png, b c\.jpg\), 1 of dogs \(phone\.heic\)"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        data = load(str(tmp_path))
    assert len(caught) == 1 and "\n" not in str(caught[0].message)
    assert sum(sizes(data)) == 20 and data.train.labels.bincount().tolist() == [7, 7]


def test_many_unreadable_pictures_do_not_fill_the_screen(tmp_path):
    make_classes(tmp_path)
    for number in range(20):
        (tmp_path / "cats" / f"bad{number:02}.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"20 of cats \(bad00\.png, .* and 15 more\)"):
        load(str(tmp_path))


def test_folders_without_classes_are_refused(tmp_path):
    assert f"{tmp_path}: 0 class folders found; put" in refusal(tmp_path)
    Image.new("L", (9, 9)).save(tmp_path / "loose.png")
    assert "0 class folders found beside 1 picture;" in refusal(tmp_path)
    (tmp_path / "train").mkdir()
    assert "train: 0 class folders" in refusal(tmp_path)


def test_one_class_is_refused_and_a_folder_too_high_is_guessed(tmp_path):
    make_classes(tmp_path / "pets", ("cats",))
    assert "1 class folder found (cats); at least two" in refusal(tmp_path / "pets")
    make_classes(tmp_path / "pets")
    assert f"did you mean {tmp_path}/pets?" in refusal(tmp_path)


def test_empty_class_folders_are_named(tmp_path):
    make_classes(tmp_path)
    for name in ("fish", "two\nlines"):
        (tmp_path / name).mkdir()
    line = refusal(tmp_path)
    assert r"class folders fish, two\nlines; each needs at least 3" in line


def test_a_class_of_unreadable_pictures_only_is_named(tmp_path):
    make_classes(tmp_path)
    (tmp_path / "fish").mkdir()
    (tmp_path / "fish" / "1.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1 unreadable image skipped: 1 of fish \(1\.png\)"):
        assert "class folders fish;" in refusal(tmp_path)


def test_training_and_test_need_the_same_classes(tmp_path):
    make_classes(tmp_path / "train")
    make_classes(tmp_path / "test", ("cats", "dogs", "birds"))
    assert "train/ lacks the class folders birds; both" in refusal(tmp_path)
    make_classes(tmp_path / "train", ("birds", "fish"))
    assert "test/ lacks the class folders fish; both" in refusal(tmp_path)
    make_classes(tmp_path / "test", ("fishes",))
    line = refusal(tmp_path)
    assert "train/ lacks the class folders fishes and test/ lacks the class folders fish;" in line
    make_classes(tmp_path / "train", ("fishes",))
    (tmp_path / "test" / "fish").mkdir()
    assert "test: too few readable pictures in the class folders fish; each" in refusal(tmp_path)


def test_an_empty_test_folder_is_refused(tmp_path):
    make_classes(tmp_path / "train")
    (tmp_path / "test").mkdir()
    assert "test/ lacks the class folders cats, dogs" in refusal(tmp_path)


def test_the_scripts_say_it_in_one_line_and_status_2(tmp_path, capsys):
    make_classes(tmp_path, ("cats",))
    flags = ["--dataset", str(tmp_path), "--out", str(tmp_path / "out")]
    assert commands.run.main("train.py", "", lambda run: pytest.fail("must not train"), flags) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "1 class folder found (cats)" in err
