# SPDX-License-Identifier: Apache-2.0
"""nova-mdev-rules validate."""

import argparse
from collections.abc import Iterator, Sequence
import pathlib

from nova_mdev_compat.cli import app
from nova_mdev_compat.cli import common
from nova_mdev_compat.conf import collector as collector_options
from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import text
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import yaml_document
from nova_mdev_compat.vendors import manager as vendors

COLUMNS = ('File', 'Line', 'Column', 'Level', 'Rule', 'Message')
ERROR, WARNING = 'error', 'warning'

Finding = tuple[str, int | None, int | None, str, str | None, str]


class Validate(common.SnakeCaseLister):
    """Check rule files.

    A collector refuses a file with an error. A warning is about a valid rule
    that is probably a mistake: it can never match, another rule makes it
    redundant, it accepts what Nova refuses, or it has a value that no device
    has. The vendor plugins installed here supply the known facts and values.
    Without FILE, it checks the shipped rules and this site's rules, as a
    collector reads them. The exit status is 2 if there is an error, 1 with
    --strict if there is a warning, and 0 otherwise.

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

    def take_action(self, parsed_args: argparse.Namespace) -> app.Rows:
        files = [loader.read_file(path) for path in _paths(parsed_args.files)]
        errors = [
            _finding(error.place, ERROR, error.rule, error.text)
            for file in files
            for error in file.errors
        ]
        findings = sorted(
            [*errors, *_warnings(files)],
            # By place, then level.
            key=lambda one: (one[0], one[1] or 0, one[2] or 0, one[3]),
        )
        warnings = len(findings) - len(errors)
        self.say(
            f'{text.count(len(files), "file")}: '
            f'{text.count(len(errors), ERROR)}, '
            f'{text.count(warnings, WARNING)}'
        )
        if errors:
            self.exit_status = exceptions.BadInput.exit_status
        elif warnings and parsed_args.strict:
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
            mistake = lint.vendor_remark(vendor)
            if mistake and file.rules:
                place = model.Position(file.file)
                yield _finding(place, WARNING, None, mistake)
            devices = file.devices or model.Target()
            for path, mistake in lint.devices_remarks(
                vendor, devices, facts, values
            ):
                yield _finding(file.place(path), WARNING, None, mistake, path)
        for found in lint.lint(vendor, rules, facts, values):
            rule, path = found.rule, found.path
            if path and (*rule.path, *path) not in rule.document.keys:
                continue  # it is of the file's devices, see above
            yield _finding(
                rule.place(path), WARNING, repr(rule.name), found.text, path
            )


def _finding(
    place: model.Position,
    level: str,
    rule: str | None,
    what: str,
    path: yaml_document.Path = (),
) -> Finding:
    keys = '.'.join(map(str, path))
    message = f'{keys}: {what}' if keys else what
    return place.file, place.line, place.column, level, rule, message
