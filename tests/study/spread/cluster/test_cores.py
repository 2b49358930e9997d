from pathlib import Path

from headstart.study.spread.cluster.cores import allowed_cores, take_room


def test_cores_are_taken_once(tmp_path: Path) -> None:
    first = take_room(1, [4, 7], tmp_path)
    second = take_room(1, [4, 7], tmp_path)
    assert (first.cores, second.cores) == ((4,), (7,))
    assert first.folder != second.folder


def test_without_free_cores_there_is_still_a_folder(tmp_path: Path) -> None:
    first = take_room(2, [4, 7], tmp_path)
    other = take_room(1, [4, 7], tmp_path)
    assert first.cores == (4, 7)
    assert other.cores == ()
    assert other.folder.is_dir()


def test_too_few_are_given_back(tmp_path: Path) -> None:
    assert take_room(3, [4, 7], tmp_path).cores == ()
    assert take_room(2, [4, 7], tmp_path).cores == (4, 7)


def test_cores_are_free_again_afterwards(tmp_path: Path) -> None:
    room = take_room(1, [4], tmp_path)
    for lock in room.locks:
        lock.release()
    assert take_room(1, [4], tmp_path).cores == (4,)


def test_allowed_cores_are_those_of_this_process() -> None:
    assert allowed_cores()
