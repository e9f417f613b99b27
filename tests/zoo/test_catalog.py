"""The catalog hands out the weights that the cards describe, and no others."""

import json

import pytest

from labkit.errors import BadModelFileError, ModelNotFoundError
from labkit.zoo import catalog


def test_every_card_describes_its_file():
    assert catalog.names()
    for name in catalog.names():
        card = catalog.card(name)
        file = catalog.path(name)
        assert card.name == name
        assert file.stat().st_size == card.size
        assert card.kind in ("chat", "embedding")
        for languages in card.skills.values():
            for score in languages.values():
                assert 0 <= score["low"] <= score["right"] / score["n"] <= score["high"] <= 1


def test_unknown_model_names_the_near_one():
    near = catalog.names()[0]
    with pytest.raises(ModelNotFoundError) as caught:
        catalog.card(near + "x")
    assert repr(near + "x") in str(caught.value)
    assert f'load("{near}")' in caught.value.fix


def test_changed_weights_are_refused(own_zoo):
    name = catalog.names()[0]
    file = catalog.path(name)
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(BadModelFileError, match="sha256") as caught:
        catalog.path(name)
    assert caught.value.cause
    assert caught.value.fix
    assert catalog.path(name, verify=False) == file


def test_short_weights_are_refused(own_zoo):
    name = catalog.names()[0]
    file = catalog.path(name)
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(BadModelFileError, match="bytes"):
        catalog.path(name)


def test_missing_weights_are_refused(own_zoo):
    name = catalog.names()[0]
    catalog.path(name).unlink()
    with pytest.raises(BadModelFileError, match="missing"):
        catalog.path(name, verify=False)


def test_damaged_card_is_refused(own_zoo):
    name = catalog.names()[0]
    card = catalog.CARDS / f"{name}.json"
    card.write_text(json.dumps({"name": name}))
    with pytest.raises(BadModelFileError, match="cannot be read"):
        catalog.card(name)
