# SPDX-License-Identifier: Apache-2.0
"""The compatibility matrix as one HTML page.

The page is self-contained: style and script are inline, and its
Content-Security-Policy allows nothing else. matrix.html.j2 is the template.
"""

import base64
import collections
from collections.abc import Iterable, Iterator, Sequence
import dataclasses
import enum
import functools
import hashlib
from importlib import resources
import itertools
import os
import pathlib
import tempfile
from typing import TYPE_CHECKING

from nova_mdev_compat.core import exceptions
from nova_mdev_compat.core import identity
from nova_mdev_compat.core.identity import Identity
from nova_mdev_compat.core import text
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet.device_classes import PublishedClass
from nova_mdev_compat.fleet import stranded
from nova_mdev_compat.osc import letters
from nova_mdev_compat.osc import pci_ids

if TYPE_CHECKING:
    import jinja2

#: The value of a fact that is not published for this device, although it is
#: published for other devices of the vendor.
UNKNOWN = 'unknown'
_REPLACEMENT = '\N{REPLACEMENT CHARACTER}'


@dataclasses.dataclass(frozen=True)
class About:
    """Where a matrix is from. The page begins with it.

    :ivar cloud: names of the cloud, without credentials
    :ivar date: when the cloud was read
    :ivar version: of this package
    :ivar selection: which devices were asked for; empty for all of them
    """

    cloud: str
    date: str
    version: str
    selection: str = ''

    def __str__(self) -> str:
        parts = (
            self.cloud,
            self.date,
            f'nova-mdev-compat {self.version}',
            f'only {self.selection}' if self.selection else '',
        )
        return ' · '.join(filter(None, parts))


class Sign(enum.Enum):
    """A kind of cell: its word, its sign, and what they mean.

    The signs are characters that no browser shows as an emoji. A cell that
    refuses or is unknown shows reason letters instead of the sign.
    """

    ACCEPTS = ('accepts', '✓', 'target accepts source')
    REFUSES = ('refuses', '✗', 'refuses; rules or software can change that')
    HARDWARE = ('refuses', '✗', 'refuses; the hardware differs')
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
        found = _SIGNS[cell.verdict.kind]
        if found is cls.REFUSES and any(
            letters.of(one).hardware for one in cell.differences
        ):
            return cls.HARDWARE
        return found


_SIGNS = {
    verdict.Status.COMPATIBLE: Sign.ACCEPTS,
    verdict.Status.INCOMPATIBLE: Sign.REFUSES,
    verdict.Status.UNKNOWN: Sign.UNKNOWN,
}


def mark(cell: device_classes.Cell) -> str:
    """Return what a cell shows: reason letters, or its sign."""
    if cell.number and cell.differences:
        return letters.text(cell.differences)
    return Sign.of(cell).sign


class Legend:
    """Describes device classes by what tells them apart.

    :ivar common: facts that all sources share, by name, in order
    :ivar attributes: names of the other attributes, in order
    :ivar names: of products
    """

    def __init__(
        self,
        classes: Iterable[PublishedClass],
        names: pci_ids.Names | None = None,
    ):
        self.names = names or pci_ids.Names()
        first: dict[tuple[Identity, ...], str] = {}
        #: Classes with the sources of an earlier class. They differ only in
        #: what they accept.
        self._same_sources: dict[str, str] = {}
        for one in classes:
            label = first.setdefault(one.sources, one.label)
            if one.sources and label != one.label:
                self._same_sources[one.label] = label
        sources = {source for some in first for source in some}
        facts = [source.facts for source in sources]
        common = frozenset.intersection(*facts) if facts else frozenset()
        self.common = {
            name: identity.display(name, value)
            for name, value in sorted(common)
        }
        self._published = {
            (identity.vendor_of(source.parent), name)
            for source in sources
            for name, _ in source.facts
        }
        self._differing = sorted(
            {name for _, name in self._published} - self.common.keys()
        )
        self.attributes = ['device', 'type', *self._differing]
        if self._same_sources:
            self.attributes.append('accepts')

    def values(self, of: PublishedClass, source: Identity) -> dict[str, str]:
        """Return a source by attribute; empty where an attribute is absent."""
        facts = dict(source.facts)
        vendor = identity.vendor_of(source.parent)
        values = {
            'device': self.names.label(source.parent),
            'type': identity.display_type(source.type),
        }
        for name in self._differing:
            if name in facts:
                values[name] = identity.display(name, facts[name])
            else:
                published = (vendor, name) in self._published
                values[name] = UNKNOWN if published else ''
        if self._same_sources:
            other = self._same_sources.get(of.label)
            values['accepts'] = f'other sources than {other}' if other else ''
        return values

    def source_text(self, of: PublishedClass, source: Identity) -> str:
        """Return a source as text, without the facts that all share."""
        values = self.values(of, source)
        accepts = values.pop('accepts', '')
        return ' '.join(
            [
                values.pop('device'),
                values.pop('type'),
                *(
                    f'{name}={value}'
                    for name, value in values.items()
                    if value
                ),
                *([f'(accepts {accepts})'] if accepts else []),
            ]
        )

    def class_text(self, of: PublishedClass) -> str:
        """Return a class as text: its sources, or why it has none."""
        return ' or '.join(
            self.source_text(of, source) for source in of.sources
        ) or str(of)


def reasons(cell: device_classes.Cell) -> str:
    """Return all reasons of a cell; empty where the target accepts."""
    found = ', '.join(map(str, cell.differences))
    if cell.number:
        return found
    hosts = text.join(sorted(cell.origin.by_host), noun='host')
    return (
        f'all devices are on {hosts}; otherwise: {found or Sign.ACCEPTS.word}'
    )


def devices(of: PublishedClass) -> str:
    """Return the number of devices, and their hosts, as text."""
    return (
        f'{text.count(len(of.members), "device")} on '
        f'{text.count(len(of.by_host), "host")}: '
        f'{text.join(sorted(of.by_host), noun="host")}'
    )


def row_name(cell: device_classes.Cell) -> str:
    """Return the label of a source, with its type if its class has several."""
    if len(cell.origin.sources) == 1:
        return cell.origin.label
    return f'{cell.origin.label} {identity.display_type(cell.source.type)}'


def board_name(boards: tuple[str, ...], names: pci_ids.Names) -> str:
    """Return the boards of a class in a word: ``A40``, or the ids."""
    return (
        ' or '.join(
            names.short(board) or identity.display_parent(board)
            for board in boards
        )
        or '?'
    )


def headings(
    boards: tuple[str, ...], names: pci_ids.Names
) -> list[tuple[str, str]]:
    """Return the ids of boards, each with its names, which may be empty."""
    return [
        (identity.display_parent(board), names.heading(board))
        for board in boards
    ] or [('board unknown', '')]


def by_board(
    some: Iterable[PublishedClass],
) -> Iterator[tuple[tuple[str, ...], list[PublishedClass]]]:
    """Yield the boards of classes, with the adjacent classes of each."""
    for boards, alike in itertools.groupby(some, lambda one: one.boards):
        yield boards, list(alike)


def headline(
    stuck: Sequence[stranded.StrandedSource], selection: str = ''
) -> str:
    """Return which sources cannot leave their hosts, as one sentence.

    :param selection: which devices were asked for; empty for all of them
    """
    types = collections.Counter(one.cell.origin.label for one in stuck)
    names = dict.fromkeys(
        one.cell.origin.label
        if types[one.cell.origin.label] >= len(one.cell.origin.sources)
        else row_name(one.cell)
        for one in stuck
    )
    sentence = 'Every source can leave its host'
    if names:
        *first, last = names
        joined = f'{", ".join(first)} and {last}' if first else last
        sentence = f'{joined} cannot leave'
    return f'Among {selection}: {sentence}' if selection else sentence


def printable(value: str) -> str:
    """Return text with each character that cannot be shown replaced.

    Placement accepts any character in a provider's name, among them
    controls, overrides of the writing direction and lone surrogates.
    """
    return ''.join(
        letter if letter.isprintable() else _REPLACEMENT for letter in value
    )


def page(
    classes: Sequence[PublishedClass],
    rows: Sequence[Sequence[device_classes.Cell]],
    title: str,
    about: About,
    names: pci_ids.Names | None = None,
) -> str:
    """Return the page of a matrix. The same arguments give the same page.

    :param classes: the columns
    :param rows: see device_classes.matrix
    :param names: of products
    :raises exceptions.BadInput: Jinja2 is not installed
    """
    shown = {Sign.of(cell) for row in rows for cell in row}
    legend = Legend(classes, names)
    stuck = stranded.sources(rows)
    return _template().render(
        title=title,
        about=about,
        classes=classes,
        columns_by_board=list(by_board(classes)),
        rows=rows,
        rows_by_board=[
            (boards, list(some))
            for boards, some in itertools.groupby(
                rows, lambda row: row[0].origin.boards
            )
        ],
        legend=legend,
        signs=[sign for sign in Sign if sign in shown],
        letters=letters.legend(
            reason
            for row in rows
            for cell in row
            if cell.number
            for reason in cell.differences
        ),
        headline=headline(stuck, about.selection),
        stuck=stuck,
        silent=[one for one in classes if not one.sources],
        texts={one.label: legend.class_text(one) for one in classes},
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
        board_name=board_name,
        devices=devices,
        headings=headings,
        mark=mark,
        reasons=reasons,
        row_name=row_name,
        sign_of=Sign.of,
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
    """Check, before the cloud is read, whether write can succeed.

    :raises exceptions.BadInput: the file is not named .html or cannot be
        written, or Jinja2 is not installed
    """
    if path.suffix.lower() != '.html':
        raise exceptions.BadInput(
            f'{path}: HTML is the only format, so the name must end in '
            '.html; to get a PDF, print the page from a browser'
        )
    # pathlib raises an error if the name is too long.
    if os.path.isdir(path):
        raise exceptions.BadInput(f'{path} is a directory: name a file')
    _template()
    try:
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as exc:
        raise exceptions.BadInput(
            f'{path}: directory {path.parent} cannot be written: '
            f'{exc.strerror}'
        ) from exc


def write(
    path: pathlib.Path,
    classes: Sequence[PublishedClass],
    rows: Sequence[Sequence[device_classes.Cell]],
    title: str,
    about: About,
    names: pci_ids.Names | None = None,
) -> None:
    """Write the page of a matrix, whole or not at all.

    The umask decides who may read it. See page for the other arguments.

    :raises exceptions.BadInput: Jinja2 is not installed
    :raises exceptions.Failure: the file cannot be written
    """
    content = page(classes, rows, title, about, names)
    new = path.with_name(f'.{path.name}.{os.urandom(8).hex()}')
    try:
        try:
            with new.open('x', encoding='utf-8') as file:
                file.write(content)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    except OSError as exc:
        raise exceptions.Failure(
            f'{path} cannot be written: {exc.strerror}'
        ) from exc
