# SPDX-License-Identifier: Apache-2.0
"""Rule files, read from their directories."""

from collections.abc import Iterable
import pathlib

from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from nova_mdev_compat.rules import yaml_document


def load(directories: Iterable[str]) -> model.RuleSet:
    """Return the rules of all directories.

    :param directories: shipped rules first, the operator's last
    :raises model.RuleError: a file or directory that cannot be read, a wrong
        file, or no file at all
    """
    directories = list(directories)
    files = in_force(directories)
    if not files:
        raise model.RuleError(
            'no rule file (*.yaml) in '
            f'{", ".join(directories) or "an empty rules_dirs"}: '
            'set [collector]rules_dirs'
        )
    return rule_set(map(load_file, files))


def rule_set(files: Iterable[model.RuleFile]) -> model.RuleSet:
    """Return the rules of files together."""
    rules: dict[str, tuple[model.Rule, ...]] = {}
    devices: dict[str, list[model.Target | None]] = {}
    for found in files:
        rules[found.vendor] = rules.get(found.vendor, ()) + found.rules
        devices.setdefault(found.vendor, []).append(found.devices)
    return model.RuleSet(
        rules,
        {
            vendor: targets
            for vendor, some in devices.items()
            if len(targets := tuple(filter(None, some))) == len(some)
        },
    )


def in_force(directories: Iterable[str]) -> list[pathlib.Path]:
    """Return the rule files of directories, by name.

    A file masks one of the same name in an earlier directory. A directory
    that does not exist has no files.

    :raises model.RuleError: a directory that cannot be read
    """
    files: dict[str, pathlib.Path] = {}
    for directory in directories:
        try:
            paths = list(pathlib.Path(directory).iterdir())
        except FileNotFoundError:
            continue
        except OSError as exc:
            raise model.RuleError(f'{directory}: {exc.strerror}') from exc
        for path in paths:
            if path.name.startswith('.'):
                continue  # an editor's lock
            if path.suffix == '.yml':
                # Without it, milder rules would apply to its vendor.
                raise model.RuleError(f'{path}: name it {path.stem}.yaml')
            if path.suffix == '.yaml':
                files[path.name] = path
    return [files[name] for name in sorted(files)]


def load_file(path: pathlib.Path) -> model.RuleFile:
    """Return the content of a file without errors.

    :raises model.RuleError: it cannot be read, or is wrong
    """
    found = read_file(path)
    if found.errors:
        raise found.errors[0]
    return found


def read_file(path: pathlib.Path) -> model.RuleFile:
    """Return the content of a file, and everything that is wrong with it."""
    try:
        with path.open('rb') as stream:
            # One byte more shows that it is too large, whatever its size.
            raw = stream.read(yaml_document.MAX_BYTES + 1)
    except OSError as exc:
        error = model.RuleError(str(exc.strerror), model.Position(str(path)))
        return model.RuleFile(errors=(error,))
    return parser.parse(str(path), raw)
