# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules validate."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
import pathlib

from nova_mdev_compat.cli import app
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import loader as vendors

COLUMNS = ('File', 'Line', 'Column', 'Level', 'Rule', 'Message')
ERROR, WARNING = 'error', 'warning'

Finding = tuple[str, int | None, int | None, str, str | None, str]


class Validate(app.ListCommand):
    """Check rule files.

    Errors are what no collector accepts. Warnings are rules that are right
    in form and probably not meant: that can never match, that another rule
    makes needless, or that accept what Nova refuses anyway; and values that
    no device has. Facts, and the values of those that have few, are known by
    the vendor plugins that are installed here. Without FILE it checks the
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
        files = list(_files(parsed_args.files))
        findings = sorted(_check(files), key=_order)
        levels = [level for *_, level, _, _ in findings]
        self.say(
            f'{_count(len(files), "file")}: '
            f'{_count(levels.count(ERROR), ERROR)}, '
            f'{_count(levels.count(WARNING), WARNING)}'
        )
        if ERROR in levels:
            self.exit_status = exceptions.BadInput.exit_status
        elif levels and parsed_args.strict:
            self.exit_status = 1
        return COLUMNS, findings


def _count(number: int, what: str) -> str:
    return f'{number} {what}' if number == 1 else f'{number} {what}s'


def _files(paths: Sequence[str]) -> Iterator[pathlib.Path]:
    """Return the rule files to check.

    :raises exceptions.BadInput: a directory cannot be read or has none
    """
    if not paths:
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
    for path in map(pathlib.Path, paths):
        if not path.is_dir():
            yield path
            continue
        files = loader.in_force([str(path)])
        if not files:
            raise exceptions.BadInput(
                f'{path}: there is no rule file (*.yaml) in this directory'
            )
        yield from files


def _check(files: Iterable[pathlib.Path]) -> Iterator[Finding]:
    right: list[model.RuleFile] = []
    for path in files:
        found = loader.read_file(path)
        whole = model.Place(str(path))
        for error in found.errors:
            yield _finding(error.place or whole, ERROR, error.rule, error.text)
        remark = lint.vendor_remark(found.vendor) if found.rules else None
        if remark:
            yield _finding(whole, WARNING, None, remark)
        if found.vendor:
            right.append(found)
    yield from _lint(right)


def _lint(files: Iterable[model.RuleFile]) -> Iterator[Finding]:
    files = list(files)
    plugins = vendors.load()
    for vendor, of_vendor in loader.rule_set(files).by_vendor.items():
        whose = None if vendor == model.EVERY_VENDOR else vendor
        facts = vendors.facts_of(plugins, whose)
        values = vendors.values_of(plugins, whose)
        for file in files:
            if file.vendor == vendor and file.devices is not None:
                for path, text in lint.devices_remarks(
                    vendor, file.devices, facts, values
                ):
                    keys = '.'.join(map(str, ('devices', *path)))
                    yield _finding(
                        file.places[path], WARNING, None, f'{keys}: {text}'
                    )
        for remark in lint.lint(vendor, of_vendor, facts, values):
            if remark.path and remark.path not in remark.rule.places:
                continue  # it has that of its file's devices, see above
            keys = '.'.join(map(str, remark.path))
            yield _finding(
                remark.rule.place(remark.path),
                WARNING,
                repr(remark.rule.name),
                f'{keys}: {remark.text}' if keys else remark.text,
            )


def _finding(
    place: model.Place, level: str, rule: str | None, text: str
) -> Finding:
    return place.file, place.line, place.column, level, rule, text


def _order(finding: Finding) -> tuple[str, int, int, str]:
    file, line, column, level, *_ = finding
    return file, line or 0, column or 0, level
