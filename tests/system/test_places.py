"""Below a named folder no link is followed, and only plain files are opened, for every kind of reading and writing."""

import os
import stat
import sys
import threading

import pytest

from omg_lib.runs.claims import Claim
from omg_lib.system.places import (
    Place,
    append,
    check_target,
    make_folder,
    names,
    reading,
    refuse_links,
    remove,
    rename,
    replacing,
    walk,
)

needs_links = pytest.mark.skipif(os.name == "nt", reason="links need rights of their own on Windows")


def read(place):
    with reading(place) as file:
        return file.read()


def write(place, data=b"new"):
    with replacing(place) as file:
        file.write(data)


WAYS = {
    "read": read,
    "write": write,
    "append": lambda place: append(place, b"new", create=True),
    "look before writing": check_target,
    "lock": lambda place: Claim(place.folder).take(),
}


@pytest.fixture
def outside(tmp_path):
    """Another user's file and folder, which must not change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "precious").write_text("precious")
    (tmp_path / "run").mkdir()
    yield tmp_path / "outside"
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["precious"]
    assert (tmp_path / "outside" / "precious").read_text() == "precious"


def put_in_the_way(kind, path, outside):
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        target = {"link": outside / "precious", "dangling link": outside / "new", "device": "/dev/zero"}[kind]
        path.symlink_to(target)


@needs_links
@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["link", "dangling link", "device", "pipe", "folder"])
@pytest.mark.parametrize("way", WAYS)
def test_what_is_no_plain_file_is_refused_at_once(tmp_path, outside, way, kind):
    name = ".lock" if way == "lock" else "file"
    put_in_the_way(kind, tmp_path / "run" / name, outside)
    with pytest.raises(OSError) as error:
        WAYS[way](Place(tmp_path / "run") / name)
    assert f"{name} is " in error.value.strerror and type(error.value) is not BlockingIOError
    assert names(Place(tmp_path / "run")) == [name], "no draft is left"


@needs_links
@pytest.mark.parametrize("way", WAYS)
def test_a_link_at_any_level_is_refused(tmp_path, outside, way):
    (tmp_path / "run" / "a").mkdir()
    (tmp_path / "run" / "a" / "b").symlink_to(outside, target_is_directory=True)
    with pytest.raises(OSError, match="b is a link, which is not followed"):
        WAYS[way](Place(tmp_path / "run") / "a" / "b" / "precious")


@needs_links
def test_folders_below_are_neither_listed_nor_made_nor_emptied_through_a_link(tmp_path, outside):
    run = Place(tmp_path / "run")
    run.path.joinpath("there").symlink_to(outside, target_is_directory=True)
    assert not (run / "there").is_folder() and not (run / "there" / "precious").is_file()
    for way in (names, make_folder, lambda place: make_folder(place / "x"), lambda place: remove(place / "precious")):
        with pytest.raises(OSError, match="there is a link"):
            way(run / "there")
    with pytest.raises(OSError, match="there is a link"):
        rename(run / "there" / "precious", "other")
    with pytest.raises(OSError, match="there is a link"):
        refuse_links(run / "there")
    remove(run / "there")
    assert names(run) == [], "the link itself may go"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="paths are shorter elsewhere")
def test_folders_of_any_depth_are_looked_through(tmp_path):
    here = tmp_path
    for _ in range(1100):  # more than Python's stack, less than a path's length
        here /= "a"
        here.mkdir()
    assert sum(1 for _ in walk(tmp_path)) == 1101
    refuse_links(Place(tmp_path))
    (here / "link").symlink_to(tmp_path)
    with pytest.raises(OSError, match="link in .* is a link"):
        refuse_links(Place(tmp_path))
    assert sum(1 for _ in walk(tmp_path)) == 1101, "it is not followed"
    remove(Place(tmp_path) / "a")
    assert names(Place(tmp_path)) == []


@needs_links
def test_a_folder_is_removed_with_its_links_and_not_with_what_they_lead_to(tmp_path, outside):
    (tmp_path / "run" / "old" / "deep").mkdir(parents=True)
    (tmp_path / "run" / "old" / "deep" / "link").symlink_to(outside, target_is_directory=True)
    (tmp_path / "run" / "old" / "file").symlink_to(outside / "precious")
    with pytest.raises(OSError, match="is a link"):
        refuse_links(Place(tmp_path / "run") / "old")
    remove(Place(tmp_path / "run") / "old")
    assert names(Place(tmp_path / "run")) == []


@needs_links
def test_the_folder_that_is_named_may_be_reached_through_links(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "real", target_is_directory=True)
    write(tmp_path / "way" / "file", b"one")
    append(Place(tmp_path / "way") / "file", b", two")
    assert read(tmp_path / "way" / "file") == b"one, two" == (tmp_path / "real" / "file").read_bytes()


@needs_links
def test_a_file_with_a_second_name_elsewhere_is_not_written_in_place(tmp_path, outside):
    os.link(outside / "precious", tmp_path / "run" / "file")
    place = Place(tmp_path / "run") / "file"
    with pytest.raises(OSError, match="hard link"):
        append(place, b"new")
    write(place)  # another file takes the name
    append(place, b"er")
    assert read(place) == b"newer"


@needs_links
def test_drafts_have_names_that_nobody_can_know_before(tmp_path, outside):
    found = []
    for _ in range(2):
        with replacing(tmp_path / "run" / "file") as file:
            file.write(b"x")
            found += [name for name in os.listdir(tmp_path / "run") if name.endswith(".draft")]
    assert len(set(found)) == 2 and all(len(name) > 20 for name in found)


@needs_links
def test_a_swap_in_between_leads_nowhere(tmp_path, outside):
    """The written folder becomes a link to another one while the file is being written."""
    (tmp_path / "run" / "a").mkdir()
    with replacing(Place(tmp_path / "run") / "a" / "precious") as file:
        (tmp_path / "run" / "a").rename(tmp_path / "run" / "b")
        (tmp_path / "run" / "a").symlink_to(outside, target_is_directory=True)
        file.write(b"new")
    assert (tmp_path / "run" / "b" / "precious").read_bytes() == b"new"


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX here")
@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077, 0o002])
def test_every_file_has_the_mode_that_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        write(tmp_path / "written")
        append(Place(tmp_path) / "appended", b"x", create=True)
        Claim(Place(tmp_path)).take()
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_the_old_file_stays_when_writing_fails(tmp_path):
    write(tmp_path / "file", b"old")
    with pytest.raises(KeyError), replacing(tmp_path / "file") as file:
        file.write(b"half of the n")
        raise KeyError
    assert read(tmp_path / "file") == b"old" and names(Place(tmp_path)) == ["file"]


def test_a_line_for_which_there_is_no_room_leaves_nothing_of_itself(tmp_path):
    resource = pytest.importorskip("resource")
    write(tmp_path / "file", b"one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OSError):
            append(tmp_path / "file", b"another\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read(tmp_path / "file") == b"one\n"


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "file").open("wb") as file:
        file.truncate(100 * 2**30)  # a hole: it takes no room
    with pytest.raises(OSError, match="larger than the limit of 1,000 bytes"), reading(tmp_path / "file", 1000):
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a\0b", "a\ud800b"])
def test_a_name_stays_in_its_folder(tmp_path, name):
    for way in (write, read, remove, make_folder):
        with pytest.raises(OSError):
            way(Place(tmp_path) / name)


@pytest.mark.parametrize("name", ["a\0b", "a\ud800b"])
def test_a_folder_whose_name_no_system_takes_is_refused(tmp_path, name):
    for way in (write, read, remove, make_folder):
        with pytest.raises(OSError, match="is not a file name"):
            way(Place(tmp_path / name) / "file")


def test_what_is_not_there_is_an_empty_list_and_nothing_to_remove(tmp_path):
    assert names(Place(tmp_path) / "nothing") == [] == names(Place(tmp_path / "nothing"))
    for place in (
        Place(tmp_path) / "nothing",
        Place(tmp_path) / "nothing" / "at all",
        Place(tmp_path / "no") / "thing",
    ):
        remove(place)


# --- claims --------------------------------------------------------------------------------------------------------

needs_locks = pytest.mark.skipif(os.name == "nt", reason="Windows has no flock")


@needs_locks
def test_one_writer_at_a_time_also_in_one_process_and_its_threads(tmp_path):
    one, other, refused = Claim(Place(tmp_path)), Claim(Place(tmp_path)), []
    one.take()

    def try_it():
        try:
            other.take()
        except BlockingIOError:
            refused.append(True)

    try_it()
    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert refused == [True, True] and one.held and not other.held
    one.release()
    other.take()
    other.check()
    other.release()
    one.take()
    del one
    other.take()


@needs_locks
def test_a_folder_that_was_replaced_is_no_longer_held(tmp_path):
    (tmp_path / "run").mkdir()
    claim = Claim(Place(tmp_path / "run"))
    claim.take()
    (tmp_path / "run").rename(tmp_path / "moved")
    for again in range(2):
        with pytest.raises(OSError, match="removed, moved or replaced"):
            claim.check()
        if not again:
            (tmp_path / "run").mkdir()
            Claim(Place(tmp_path / "run")).take()
