# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules validate."""

import argparse
from collections.abc import Iterator, Sequence
import pathlib

from nova_mdev_compat.cli import app
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import manager as vendors

COLUMNS = ('File', 'Line', 'Column', 'Level', 'Rule', 'Message')
ERROR, WARNING = 'error', 'warning'

Finding = tuple[str, int | None, int | None, str, str | None, str]


class Validate(app.ListCommand):
    """Check rule files.

    Errors are what no collector accepts. Warnings are rules of the right form
    that are probably not what was meant: they can never match, are made
    needless by another rule, accept what Nova refuses anyway, or have a value
    that no device has. The vendor plugins that are installed here know the
    facts, and the values of those that have few. Without FILE it checks the
    shipped rules and those of this site, as a collector would read them. The
    exit status is 2 if there is an error, 1 with --strict if there is a
    warning, and 0 otherwise.

    Example: nova-mdev-rules validate rules.d/
    """

    @property
    def formatter_namespace(self) -> str:
        return 'nova_mdev_compat.rules.formatters'

    @property
    def formatter_default(self) -> str:
        return 'lines'

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            'files',
            metavar='FILE',
            nargs='*',
            help='A rule file, or a directory of rule files (.yaml).',
        )
        parser.add_argument(
            '--strict',
            action='store_true',
            help='End with 1 if there is a warning.',
        )
        return parser

    def take_action(
        self,
        parsed_args: argparse.Namespace,
    ) -> tuple[tuple[str, ...], list[Finding]]:
        files = [loader.read_file(path) for path in _paths(parsed_args.files)]
        errors = [
            _finding(
                error.place or model.Position(file.file),
                ERROR,
                error.rule,
                error.text,
            )
            for file in files
            for error in file.errors
        ]
        findings = sorted(
            [*errors, *_warnings(files)],
            # By place, then level.
            key=lambda one: (one[0], one[1] or 0, one[2] or 0, one[3]),
        )
        levels = [level for *_, level, _, _ in findings]
        self.say(
            f'{text.count(len(files), "file")}: '
            f'{text.count(levels.count(ERROR), ERROR)}, '
            f'{text.count(levels.count(WARNING), WARNING)}'
        )
        if ERROR in levels:
            self.exit_status = exceptions.BadInput.exit_status
        elif levels and parsed_args.strict:
            self.exit_status = 1
        return COLUMNS, findings


def _paths(names: Sequence[str]) -> Iterator[pathlib.Path]:
    """Return the rule files to check.

    :raises exceptions.BadInput: a directory cannot be read or has none
    """
    if not names:
        directories = [
            *collector_options.SHIPPED_RULES,
            collector_options.SITE_RULES,
        ]
        files = loader.in_force(directories)
        if not files:
            raise exceptions.BadInput(
                f'no rule file (*.yaml) in {", ".join(directories)}; name '
                'files or directories'
            )
        yield from files
    for path in map(pathlib.Path, names):
        files = loader.in_force([str(path)]) if path.is_dir() else [path]
        if not files:
            raise exceptions.BadInput(
                f'{path}: there is no rule file (*.yaml) in this directory'
            )
        yield from files


def _warnings(files: Sequence[model.RuleFile]) -> Iterator[Finding]:
    files = [file for file in files if file.vendor]
    plugins = vendors.load()
    for vendor, rules in loader.rule_set(files).by_vendor.items():
        whose = None if vendor == model.EVERY_VENDOR else vendor
        facts = vendors.facts_of(plugins, whose)
        values = vendors.values_of(plugins, whose)
        for file in files:
            if file.vendor != vendor:
                continue
            remark = lint.vendor_remark(vendor) if file.rules else None
            if remark:
                yield _finding(
                    model.Position(file.file), WARNING, None, remark
                )
            for path, what in (
                lint.devices_remarks(vendor, file.devices, facts, values)
                if file.devices is not None
                else ()
            ):
                keys = '.'.join(map(str, path))
                yield _finding(
                    file.place(path), WARNING, None, f'{keys}: {what}'
                )
        for found in lint.lint(vendor, rules, facts, values):
            where = (*found.rule.path, *found.path)
            if found.path and where not in found.rule.document.keys:
                continue  # it is of the file's devices, see above
            keys = '.'.join(map(str, found.path))
            yield _finding(
                found.rule.place(found.path),
                WARNING,
                repr(found.rule.name),
                f'{keys}: {found.text}' if keys else found.text,
            )


def _finding(
    place: model.Position, level: str, rule: str | None, what: str
) -> Finding:
    return place.file, place.line, place.column, level, rule, what
