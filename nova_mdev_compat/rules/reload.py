# SPDX-License-Identifier: Apache-2.0
"""The rules that a long-running collector has in force."""

import pathlib

from oslo_log import log as logging

from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.vendors import manager as vendors

LOG = logging.getLogger(__name__)

_Stamp = list[tuple[str, int, int]]


class Rules:
    """Reads rule files when they have changed.

    Once a good set was read, a wrong one does not take its place: it is
    reported, again at every change, and the last good set stays in force.
    Values that no device has are reported when a set is read.

    :param directories: as for loader.load
    :param plugins: the vendor plugins of this host, which know such values
    """

    def __init__(self, directories: list[str], plugins: vendors.Classes):
        self._directories = directories
        self._plugins = plugins
        self._stamp: _Stamp | None = None
        self._good: model.RuleSet | None = None
        #: What is wrong with the files, None where nothing is.
        self.fault: str | None = None

    def current(self) -> model.RuleSet:
        """Return the rules in force.

        :raises model.RuleError: they are wrong and there never were others
        """
        stamp = self._look()
        if self._good is None or stamp != self._stamp:
            self._stamp = stamp
            self._good = self._load()
        return self._good

    def _load(self) -> model.RuleSet:
        try:
            rules = loader.load(self._directories)
        except model.RuleError as exc:
            self.fault = str(exc)
            if self._good is None:
                raise
            LOG.error('%s. The rules read before stay in force.', exc)
            return self._good
        if self._good is not None:
            LOG.info('Rule files have changed and are in force')
        self.fault = None
        self._report(rules)
        return rules

    def _report(self, rules: model.RuleSet) -> None:
        for vendor, of_vendor in rules.by_vendor.items():
            known = vendors.values_of(
                self._plugins,
                (None if vendor == model.EVERY_VENDOR else vendor),
            )
            for rule in of_vendor:
                for remark in lint.unknown_values(rule, known):
                    LOG.warning(
                        '%s: rule %r: %s: %s',
                        rule.place(remark.path),
                        rule.name,
                        '.'.join(map(str, remark.path)),
                        remark.text,
                    )

    def _look(self) -> _Stamp:
        """Return what tells whether a file has changed."""
        found = []
        for directory in map(pathlib.Path, self._directories):
            try:
                found += [_stamp(path) for path in sorted(directory.iterdir())]
            except OSError as exc:
                found.append((str(directory), exc.errno or 0, 0))
        return found


def _stamp(path: pathlib.Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError as exc:  # an editor's lock is a link to nowhere
        return str(path), exc.errno or 0, 0
    # Unlike its mtime, a file's ctime cannot be set back, which packages and
    # rsync do.
    return str(path), stat.st_ctime_ns, stat.st_size
