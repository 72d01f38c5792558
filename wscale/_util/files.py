"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from wscale.errors import ConfigError, option

__all__ = ["make_folder", "write_atomically"]

_logger = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Parameters
    ----------
    path : Path
        The file; its folder must exist. Where it is a link, the file that it leads to is written.
    content : bytes
        All of it.

    Raises
    ------
    ConfigError
        The folder is not writable, the disk is full, or the path is a folder, pipe or device.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigError(
            f"{path} cannot be written: it is a pipe or device, not a file; give another name"
        )
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        temporary = None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}; choose another folder with "
            f"{option('out')} or make room"
        ) from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
    _logger.info("%s: %d bytes", path, len(content))


def make_folder(path: Path) -> Path:
    """Create a folder for results, with a clear error where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"results folder {path} cannot be made: {error.strerror}; choose another with "
            f"{option('out')}"
        ) from error
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
