from pathlib import Path

import pytest

from asr_tasks.catalogue import PACKAGED, Catalogue, CatalogueError
from asr_tasks.contracts.errors import ModelUnavailable, UnknownModel


def catalogue(folder: Path, text: str) -> Catalogue:
    file = folder / "catalogue.toml"
    file.write_text(text)
    return Catalogue.load(file)


def test_the_packaged_catalogue_has_the_four_languages_and_a_hub_model() -> None:
    names = list(Catalogue.load())
    assert names[0] == "english"
    assert {"malay", "mandarin", "singlish", "english-large"} <= set(names)
    assert PACKAGED.is_file()


def test_a_checkpoint_beside_the_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "m.nemo").touch()
    entry = catalogue(tmp_path, '[models.a]\nmodel = "m.nemo"\n').get("a")
    assert entry.available
    assert entry.checkpoint == str(tmp_path / "m.nemo")
    entry.check()


def test_an_absent_checkpoint_is_named(tmp_path: Path) -> None:
    entry = catalogue(tmp_path, '[models.a]\nmodel = "gone.nemo"\n').get("a")
    assert not entry.available
    with pytest.raises(ModelUnavailable, match=r"'a'.*gone\.nemo"):
        entry.check()
    with pytest.raises(ModelUnavailable, match=r"gone\.nemo"):
        _ = entry.checkpoint


def test_a_hub_model_is_available_once_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    entry = catalogue(tmp_path, '[models.a]\nmodel = "maker/model"\n').get("a")
    assert entry.checkpoint == "maker/model"
    with pytest.raises(ModelUnavailable, match="maker/model"):
        entry.check()
    snapshot = tmp_path / "hub" / "models--maker--model" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.nemo").touch()
    entry.check()
    assert entry.checkpoint == str(snapshot / "model.nemo")


def test_an_unknown_model_lists_those_there_are(tmp_path: Path) -> None:
    models = catalogue(tmp_path, '[models.a]\nkind = "echo"\n[models.b]\nkind = "echo"\n')
    with pytest.raises(UnknownModel, match="there are: a, b"):
        models.get("c")
    assert [row["name"] for row in models.describe()] == ["a", "b"]
    assert models.get("a").available


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[models.a]\nmodel = 'm.nemo'\nslotz = 3\n", r"models\.a: unknown key 'slotz'"),
        ("[models.a]\nmodel = 'm.nemo'\nslots = 'x'\n", r"models\.a\.slots = 'x'"),
        ("[models.a]\nmodel = 'm.nemo'\nslots = true\n", r"models\.a\.slots"),
        ("[models.a]\nmodel = 'm.nemo'\nslots = 0\n", r"models\.a: slots"),
        ("[models.a]\nmodel = 'm.nemo'\natt_context = [70]\n", "att_context"),
        ("[models.a]\nmodel = 'm.nemo'\natt_context = ['x', 'y']\n", "att_context"),
        ("[models.a]\nkind = 'magic'\n", "kind must be"),
        ("[models.a]\n", "model must name"),
        ("[models]\na = 1\n", "not a table"),
        ("models = 3\n", "no .models"),
        ("", "no .models"),
        ("other = 1\n", "unknown key 'other'"),
        ("not toml", "catalogue.toml"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_the_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(CatalogueError, match=said):
        catalogue(tmp_path, text)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="nowhere"):
        Catalogue.load(tmp_path / "nowhere.toml")
