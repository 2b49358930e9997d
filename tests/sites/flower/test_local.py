"""The files that a try on one machine writes hold what the study's clients hold."""

from pathlib import Path

import numpy as np
import pytest

from headstart.core.errors import SettingError
from headstart.data import open_federation
from headstart.data.federation import Federation
from headstart.sites.flower.local import write_site_files
from headstart.sites.site import Site
from headstart.study.written.load import StudyFile


@pytest.fixture
def federation(file: StudyFile) -> Federation:
    return open_federation(file.data, file.folder)


def test_a_site_reads_what_its_client_has(file: StudyFile, federation: Federation, tmp_path: Path) -> None:
    data = write_site_files(federation, file.data, tmp_path / "files", 2)
    first = federation.seen_clients[0]
    assert list(data) == [first.id, federation.seen_clients[1].id]
    read = Site(first.id, data[first.id], tmp_path / "state").read(file.data)
    rows = np.sort(np.concatenate([first.train, first.val, first.test]))
    np.testing.assert_array_equal(read.examples.inputs, federation.examples.inputs[rows])
    np.testing.assert_array_equal(read.examples.labels, federation.examples.labels[rows])


@pytest.mark.parametrize("count", [0, 5])
def test_no_more_clients_than_the_study_has(
    count: int, file: StudyFile, federation: Federation, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=f"--local: must be from 1 to the study's 4 seen clients, received {count}"):
        write_site_files(federation, file.data, tmp_path / "files", count)
