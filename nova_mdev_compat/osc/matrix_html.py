# SPDX-License-Identifier: Apache-2.0
"""The compatibility matrix as one HTML page.

The page is self-contained: style and script are inline, and its
Content-Security-Policy allows nothing else. matrix.html.j2 is the template.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
import contextlib
import enum
import functools
import hashlib
from importlib import resources
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core import text
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes

if TYPE_CHECKING:
    import jinja2

#: The value of a fact that is not published for this device, although it is
#: published for other devices of the vendor.
UNKNOWN = 'unknown'
_REPLACEMENT = '\N{REPLACEMENT CHARACTER}'


class Sign(enum.Enum):
    """A cell of the matrix: its word, its sign, and what they mean.

    No browser shows one of the signs as an emoji.
    """

    ACCEPTS = ('accepts', '✓', 'target accepts source')
    REFUSES = ('refuses', '✗', 'target refuses source')
    UNKNOWN = ('unknown', '?', 'unknown: required data is not published')
    SAME_HOST = (
        'same host only',
        '\N{EN DASH}',
        'same host only: no other host',
    )

    def __init__(self, word: str, sign: str, meaning: str):
        self.word = word
        self.sign = sign
        self.meaning = meaning

    @classmethod
    def of(cls, cell: device_classes.Cell) -> 'Sign':
        """Return the sign of a cell."""
        if not cell.number:
            return cls.SAME_HOST
        return _SIGNS[cell.verdict.kind]


_SIGNS = {
    verdict.Status.COMPATIBLE: Sign.ACCEPTS,
    verdict.Status.INCOMPATIBLE: Sign.REFUSES,
    verdict.Status.UNKNOWN: Sign.UNKNOWN,
}


class Legend:
    """Describes kinds by what tells them apart.

    :ivar common: facts that all sources share, by name, in order
    :ivar differing: names of the other facts, in order
    """

    def __init__(self, kinds: Iterable[device_classes.PublishedClass]):
        sources: set[identity.Identity] = set()
        first: dict[tuple[identity.Identity, ...], str] = {}
        #: Kinds with the sources of an earlier kind. They differ only in
        #: what they accept.
        self._same_sources: dict[str, str] = {}
        for kind in kinds:
            sources.update(kind.sources)
            label = first.setdefault(kind.sources, kind.label)
            if kind.sources and label != kind.label:
                self._same_sources[kind.label] = label
        facts = [source.facts for source in sources]
        common = frozenset.intersection(*facts) if facts else frozenset()
        self.common = {
            name: identity.display(name, value)
            for name, value in sorted(common)
        }
        self.differing = sorted(
            {name for some in facts for name, _ in some} - {*self.common}
        )
        self._published = {
            (identity.vendor_of(source.parent), name)
            for source in sources
            for name, _ in source.facts
        }

    @property
    def attributes(self) -> list[str]:
        """The keys of values, in order."""
        return [
            'device',
            'type',
            *self.differing,
            *(['accepts'] if self._same_sources else []),
        ]

    def values(
        self, kind: device_classes.PublishedClass, source: identity.Identity
    ) -> dict[str, str]:
        """Return a source by attribute; empty where an attribute is absent."""
        values = {
            'device': identity.display_parent(source.parent),
            'type': identity.display_type(source.type),
        }
        facts = dict(source.facts)
        vendor = identity.vendor_of(source.parent)
        for name in self.differing:
            if name in facts:
                values[name] = identity.display(name, facts[name])
            else:
                published = (vendor, name) in self._published
                values[name] = UNKNOWN if published else ''
        if self._same_sources:
            other = self._same_sources.get(kind.label)
            values['accepts'] = f'other sources than {other}' if other else ''
        return values

    def source_text(
        self, kind: device_classes.PublishedClass, source: identity.Identity
    ) -> str:
        """Return a source as text, without the facts that all share."""
        values = self.values(kind, source)
        parts = [
            values['device'],
            values['type'],
            *(
                f'{name}={values[name]}'
                for name in self.differing
                if values[name]
            ),
        ]
        if values.get('accepts'):
            parts.append(f'(accepts {values["accepts"]})')
        return ' '.join(parts)

    def kind_text(self, kind: device_classes.PublishedClass) -> str:
        """Return a kind as text: its sources, or why it has none."""
        return ' or '.join(
            self.source_text(kind, source) for source in kind.sources
        ) or str(kind)


def reasons(cell: device_classes.Cell) -> str:
    """Return the reasons of a cell; empty where the target accepts."""
    found = str(cell.verdict)
    if cell.number:
        return found
    hosts = text.join(sorted(cell.origin.by_host), noun='host')
    return (
        f'all devices are on {hosts}; otherwise: {found or Sign.ACCEPTS.word}'
    )


def devices(kind: device_classes.PublishedClass) -> str:
    """Return the number of devices, and their hosts, as text."""
    return (
        f'{text.count(len(kind.members), "device")} on '
        f'{text.count(len(kind.by_host), "host")}: '
        f'{text.join(sorted(kind.by_host), noun="host")}'
    )


def row_name(cell: device_classes.Cell) -> str:
    """Return the label of a source, with its type if its kind has several."""
    several = len(cell.origin.sources) > 1
    return cell.origin.label + (
        f' {identity.display_type(cell.source.type)}' if several else ''
    )


def printable(value: str) -> str:
    """Return text with each character that cannot be shown replaced.

    Placement accepts any character in a provider's name, among them
    controls, overrides of the writing direction and lone surrogates.
    """
    return ''.join(
        letter if letter.isprintable() else _REPLACEMENT for letter in value
    )


def page(
    kinds: Sequence[device_classes.PublishedClass],
    rows: Sequence[Sequence[device_classes.Cell]],
    title: str,
) -> str:
    """Return the page of a matrix. The same matrix gives the same page.

    :param kinds: all kinds; they are the columns
    :param rows: see cloud.kinds.matrix
    :raises exceptions.BadInput: Jinja2 is not installed
    """
    shown = {Sign.of(cell) for row in rows for cell in row}
    legend = Legend(kinds)
    return _template().render(
        title=title,
        kinds=kinds,
        rows=rows,
        legend=legend,
        signs=[sign for sign in Sign if sign in shown],
        kind_texts={kind.label: legend.kind_text(kind) for kind in kinds},
    )


@functools.cache
def _template() -> 'jinja2.Template':
    try:
        # openstackclient loads our commands even without the extra "osc".
        import jinja2  # noqa: PLC0415
        import markupsafe  # noqa: PLC0415
    except ImportError as exc:
        raise exceptions.BadInput(
            f'the HTML page requires Jinja2 ({exc}): pip install '
            "'nova-mdev-compat[osc]'"
        ) from exc

    def finalize(value: object) -> object:
        if isinstance(value, markupsafe.Markup):
            return value
        return printable(str(value))

    environment = jinja2.Environment(
        autoescape=True,
        finalize=finalize,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters['csp_hash'] = _csp_hash
    environment.globals.update(
        devices=devices, reasons=reasons, row_name=row_name, sign_of=Sign.of
    )
    return environment.from_string(
        resources.files('nova_mdev_compat.osc')
        .joinpath('matrix.html.j2')
        .read_text('utf-8')
    )


def _csp_hash(content: str) -> str:
    """Return the source expression that allows an inline element."""
    digest = hashlib.sha256(content.encode()).digest()
    return f'sha256-{base64.b64encode(digest).decode()}'


def check(path: pathlib.Path) -> None:
    """Find out, before the cloud is read, whether write can succeed.

    :raises exceptions.BadInput: the file is not named .html or cannot be
        written, or Jinja2 is not installed
    """
    if path.suffix.lower() != '.html':
        raise exceptions.BadInput(
            f'{path}: HTML is the only format, so the name must end in '
            '.html; to get a PDF, print the page from a browser'
        )
    if os.path.isdir(path):
        raise exceptions.BadInput(f'{path} is a directory: name a file')
    _template()
    with _temporary(path):
        pass


def write(
    path: pathlib.Path,
    kinds: Sequence[device_classes.PublishedClass],
    rows: Sequence[Sequence[device_classes.Cell]],
    title: str,
) -> None:
    """Write the page of a matrix atomically.

    :param kinds: see page
    :param rows: see page
    :raises exceptions.BadInput: see check
    :raises exceptions.Failure: the file cannot be written
    """
    check(path)
    content = page(kinds, rows, title)
    try:
        with _temporary(path) as new:
            new.write_text(content, 'utf-8')
            new.replace(path)
    except OSError as exc:
        raise exceptions.Failure(
            f'{path} cannot be written: {exc.strerror}'
        ) from exc


@contextlib.contextmanager
def _temporary(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield a path on the same file system, to be renamed to path.

    It is in a directory of its own, so that the umask decides who may read
    the file. A temporary file would be readable only by its owner.

    :raises exceptions.BadInput: the directory cannot be written
    """
    try:
        directory = tempfile.TemporaryDirectory(
            dir=path.parent, prefix='.mdev-'
        )
    except OSError as exc:
        raise exceptions.BadInput(
            f'{path}: directory {path.parent} cannot be written: '
            f'{exc.strerror}'
        ) from exc
    with directory as name:
        yield pathlib.Path(name, 'new')
