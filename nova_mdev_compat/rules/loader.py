# SPDX-License-Identifier: Apache-2.0
"""The only reader of rule files."""

from collections.abc import Iterable
import pathlib

from nova_mdev_compat.rules import document
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import reader

RuleError = model.RuleError


def load(directories: Iterable[str]) -> model.RuleSet:
    """Return the rules of all directories.

    A file masks one of the same name in a directory that stands earlier; a
    directory that does not exist has no files.

    :param directories: shipped rules first, the operator's last
    :raises RuleError: a file or directory that cannot be read, a wrong
        file, or no file at all
    """
    directories = list(directories)
    files: dict[str, pathlib.Path] = {}
    for directory in directories:
        files.update(_files(pathlib.Path(directory)))
    if not files:
        raise RuleError('no rule file (*.yaml) in '
                        f'{", ".join(directories) or "an empty rules_dirs"}: '
                        'set [collector]rules_dirs')
    rules: dict[str, tuple[model.Rule, ...]] = {}
    for name in sorted(files):
        vendor, found = load_file(files[name])
        rules[vendor] = rules.get(vendor, ()) + found
    return model.RuleSet(rules)


def _files(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    try:
        # Editors' lock files start with a dot.
        paths = [path for path in directory.iterdir()
                 if not path.name.startswith('.')]
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise RuleError(f'{directory}: {exc.strerror}') from exc
    for path in paths:
        if path.suffix == '.yml':
            # Passing over it would leave its vendor to milder rules.
            raise RuleError(f'{path}: name it {path.stem}.yaml')
    return {path.name: path for path in paths if path.suffix == '.yaml'}


def load_file(path: pathlib.Path) -> tuple[str, tuple[model.Rule, ...]]:
    """Return a file's vendor (canonical, or EVERY_VENDOR) and its rules.

    :raises RuleError: it cannot be read, or is wrong
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise RuleError(f'{path}: {exc.strerror}') from exc
    try:
        return reader.Reader(path, document.parse(raw)).read()
    except document.DocumentError as exc:
        raise RuleError(f'{path}:{exc.line}:{exc.column}: {exc}') from exc
