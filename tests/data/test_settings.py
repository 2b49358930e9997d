import pytest

from headstart.core.errors import SettingError
from headstart.data import CentralSettings, DataSettings, PartitionSettings, PixelSettings, SplitSettings

BAD = [
    (
        lambda: PartitionSettings(method="dirichlet_client"),
        r"data\.partition\.method.*'dirichlet_client'.*dirichlet_clients",
    ),
    (lambda: PartitionSettings(alpha=0), r"data\.partition\.alpha.*above 0.*0"),
    (lambda: PartitionSettings(num_clients=0), r"data\.partition\.num_clients.*at least 1.*0"),
    (lambda: PartitionSettings(examples_per_client=-3), r"examples_per_client.*-3"),
    (lambda: PartitionSettings(sizes="cubic"), r"data\.partition\.sizes.*'cubic'"),
    (lambda: SplitSettings(train=0.5), r"data\.split.*sum to 1.*0\.9"),
    (lambda: SplitSettings(train=0.0, val=0.5, test=0.5), r"data\.split\.train"),
    (lambda: SplitSettings(train=1.2, val=-0.2, test=0.0), r"data\.split\.val.*-0\.2"),
    (lambda: CentralSettings(), r"data\.central.*source or fraction"),
    (lambda: CentralSettings(source="a", fraction=0.1), r"data\.central.*source='a' and fraction=0\.1"),
    (lambda: CentralSettings(fraction=1.0), r"data\.central\.fraction.*1\.0"),
    (lambda: PixelSettings(range=(9, 1)), r"data\.pixels\.range.*lowest below highest.*\[9, 1\]"),
    (lambda: PixelSettings(range=(1,)), r"data\.pixels\.range"),
    (lambda: PixelSettings(range=(0, float("inf"))), r"data\.pixels\.range"),
    (lambda: PixelSettings(background="grey"), r"data\.pixels\.background.*'grey'"),
    (lambda: PixelSettings(background=(0, 0, 256)), r"data\.pixels\.background.*0 to 255.*256"),
    (lambda: DataSettings(source="x", held_out_clients=1.0), r"data\.held_out_clients.*1\.0"),
    (lambda: DataSettings(source="x", channels=2), r"data\.channels.*2"),
    (lambda: DataSettings(source="x", standardize="each"), r"data\.standardize.*'each'"),
    (lambda: DataSettings(source="x", delimiter=";;"), r"data\.delimiter: must be one character, received ';;'"),
    (lambda: DataSettings(source="x", delimiter=""), r"data\.delimiter: must be one character, received ''"),
    (lambda: DataSettings(source="x", decimal=";"), r"data\.decimal.*';'"),
    (lambda: DataSettings(source="x", encoding="utf-99"), r"data\.encoding: must be an encoding that Python.*'utf-99'"),
    (lambda: DataSettings(source="x", task="numbers"), r"data\.task.*'numbers'"),
    (lambda: DataSettings(source="x", missing_words="NA"), r"data\.missing_words: must be a list, received 'NA'"),
    (lambda: DataSettings(source="x", missing="skip"), r"data\.missing.*'skip'"),
    (lambda: DataSettings(source="x", image_size=0), r"data\.image_size.*0"),
    (
        lambda: DataSettings(source="x", client="site", partition=PartitionSettings()),
        r"data\.client.*within = 'site'",
    ),
    (
        lambda: DataSettings(source="x", partition=PartitionSettings(method="natural")),
        r"natural.*data\.client",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_a_bad_setting_is_named_with_its_value(make, message):
    with pytest.raises(SettingError, match=message):
        make()


def test_settings_are_plain_values_with_defaults():
    settings = DataSettings(source="digits")
    assert (settings.split.train, settings.split.val, settings.split.test) == (0.6, 0.2, 0.2)
    assert settings.seed == 0
    assert settings.central is None
