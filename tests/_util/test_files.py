"""Files are written whole or not at all. (As root, permission bits would not stop a writer.)"""

from __future__ import annotations

import os
import resource
import threading
from contextlib import contextmanager

import pytest

from wscale._util.files import make_folder, write_atomically
from wscale.errors import ConfigError

OLD, NEW = b"old", b"new" * 100_000


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    """Set the umask for one test."""
    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


@contextmanager
def full_disk():
    """Let no file grow beyond a thousand bytes, so that writing fails half way.

    For the one call only: the limit holds for whatever this process writes, output included.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


# ---------------------------------------------------------------------- write_atomically


@pytest.mark.parametrize("content", [b"", b"a\r\nb\x00", NEW], ids=["empty", "bytes", "large"])
def test_content_is_written_as_it_is(tmp_path, content):
    write_atomically(tmp_path / "a.json", content)
    assert (tmp_path / "a.json").read_bytes() == content


def test_existing_file_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(OLD)
    write_atomically(path, NEW)
    assert path.read_bytes() == NEW


def test_no_temporary_file_is_left(tmp_path):
    write_atomically(tmp_path / "a.json", NEW)
    assert files(tmp_path) == ["a.json"]


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, umask, mask, mode):
    umask(mask)
    write_atomically(tmp_path / "a.json", NEW)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == mode


def test_umask_is_left_as_it_was(tmp_path, umask):
    umask(0o027)
    write_atomically(tmp_path / "a.json", NEW)
    assert umask(0o027) == 0o027


def test_old_file_stays_where_the_disk_is_full(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(OLD)
    message = r"a.json cannot be written: File too large; choose .*`out` or make room"
    with pytest.raises(ConfigError, match=message), full_disk():
        write_atomically(path, NEW)
    assert path.read_bytes() == OLD
    assert files(tmp_path) == ["a.json"]


def test_missing_folder_is_an_error_and_is_not_made(tmp_path):
    with pytest.raises(ConfigError, match=r"a.json cannot be written: No such file or directory"):
        write_atomically(tmp_path / "missing" / "a.json", NEW)
    assert files(tmp_path) == []


def test_folder_in_the_way_is_an_error_and_stays(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ConfigError, match=r"a.json cannot be written: Is a directory"):
        write_atomically(tmp_path / "a.json", NEW)
    assert files(tmp_path) == ["a.json"]


def test_file_in_place_of_the_folder_is_an_error_and_stays(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(ConfigError, match=r"b.json cannot be written: Not a directory"):
        write_atomically(tmp_path / "a" / "b.json", NEW)
    assert (tmp_path / "a").read_bytes() == OLD


def test_reader_sees_the_old_or_the_new_and_never_a_part(tmp_path):
    path, contents = tmp_path / "a.json", (b"a" * 500_000, b"b" * 400_000)
    write_atomically(path, contents[0])
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(20):
        write_atomically(path, contents[number % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)


def test_what_is_no_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="it is a pipe or device, not a file"):
        write_atomically(pipe, NEW)
    assert pipe.is_fifo()
    assert files(tmp_path) == ["pipe"]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.json", tmp_path / "link.json"
    target.write_bytes(OLD)
    link.symlink_to(target)
    write_atomically(link, NEW)
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert files(tmp_path / "there") == ["a.json"]


# ---------------------------------------------------------------------- make_folder


def test_folder_is_made_with_its_parents(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()


def test_existing_folder_keeps_its_files(tmp_path):
    (tmp_path / "a.json").write_bytes(OLD)
    assert files(make_folder(tmp_path)) == ["a.json"]


@pytest.mark.parametrize(("path", "why"), [("a", "File exists"), ("a/b", "Not a directory")])
def test_file_in_the_way_of_a_folder_is_an_error(tmp_path, path, why):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(ConfigError, match=f"results folder .* cannot be made: {why}; .*`out`"):
        make_folder(tmp_path / path)
