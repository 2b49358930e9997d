import pytest

from headstart.core import errors


def test_every_error_has_one_root() -> None:
    kinds = [
        errors.SettingError,
        errors.DataError,
        errors.ModelError,
        errors.ClientError,
        errors.MissingExtra,
    ]
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in kinds), "the tree at the top of the file is whole"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ridgee", "did you mean 'ridge'? (valid: fedavg, ridge)"), ("", "valid: fedavg, ridge")],
)
def test_nearest(name: str, expected: str) -> None:
    assert errors.nearest(name, ["ridge", "fedavg"]) == expected


def test_nearest_reads_any_iterable_once() -> None:
    assert errors.nearest("a", (name for name in ["b", "aa"])) == "did you mean 'aa'? (valid: aa, b)"


def test_a_missing_extra_says_how_to_install_it() -> None:
    with pytest.raises(errors.MissingExtra, match="'no_such_module' is not installed") as caught:
        errors.require("no_such_module", "images")
    assert "pip install -e '.[images]' in a clone of the project" in str(caught.value)
    assert str(caught.value).endswith("pip install 'headstart[images]'")
    assert "\n" not in str(caught.value)
