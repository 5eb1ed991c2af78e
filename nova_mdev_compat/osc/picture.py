# SPDX-License-Identifier: Apache-2.0
"""Writes the matrix of which kind of devices accepts which as a picture.

What draws needs the extra "picture", and is imported only once a picture is
wanted.
"""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import logging
import os
import pathlib
import tempfile

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.osc.drawing.grid import Grid
from nova_mdev_compat.osc.drawing.grid import Row

#: By the suffix of the file's name.
FORMATS = ('.svg', '.png', '.html')


def check(path: pathlib.Path) -> None:
    """Find out before there is any work to lose whether write will do.

    :raises exceptions.BadInput: there is no such format, nothing can be
        written there, or what draws is not installed
    """
    if path.suffix.lower() not in FORMATS:
        raise exceptions.BadInput(
            f'{path}: a picture ends in {", ".join(FORMATS[:-1])} or '
            f'{FORMATS[-1]}, which says its format'
        )
    if os.path.isdir(path):
        raise exceptions.BadInput(f'{path} is a directory: name a file')
    with _beside(path):
        _draw()


def write(
    path: pathlib.Path,
    kinds: Sequence[device_classes.Kind],
    rows: Sequence[Row],
    title: str,
) -> None:
    """Write the picture of a matrix, whole or not at all.

    The same matrix makes the same bytes.

    :param path: its suffix says the format
    :param kinds: see drawing.grid.Grid.of
    :param rows: see cloud.kinds.matrix
    :raises exceptions.BadInput: see check
    :raises exceptions.Failure: it could not be written
    """
    check(path)
    grid = Grid.of(kinds, rows, title)
    with _quiet():
        content = _draw()(grid, path.suffix.lower())
    try:
        with _beside(path) as new:
            new.write_bytes(content)
            new.replace(path)
    except OSError as exc:
        raise exceptions.Failure(
            f'{path} cannot be written: {exc.strerror}'
        ) from exc


def _draw() -> Callable[[Grid, str], bytes]:
    """Return what draws.

    :raises exceptions.BadInput: it is not installed
    """
    try:
        with _quiet():
            from nova_mdev_compat.osc.drawing import formats  # noqa: PLC0415
    except ImportError as exc:
        raise exceptions.BadInput(
            f'a picture needs matplotlib ({exc}): pip install '
            "'nova-mdev-compat[picture]'"
        ) from exc
    return formats.draw


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep matplotlib from warning of what makes no difference here.

    Without a home that it may write to it has no cache, and says so.
    """
    loggers = [logging.getLogger(name) for name in ('matplotlib', 'fontTools')]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def _beside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Return where to write what is to take a file's place.

    It is in a directory of its own, so that the umask says who may read it.

    :raises exceptions.BadInput: nothing can be written there
    """
    try:
        directory = tempfile.TemporaryDirectory(
            dir=path.parent, prefix='.mdev-'
        )
    except OSError as exc:
        raise exceptions.BadInput(
            f'{path}: nothing can be written to directory {path.parent}: '
            f'{exc.strerror}'
        ) from exc
    with directory as name:
        yield pathlib.Path(name, 'new')
