# SPDX-License-Identifier: Apache-2.0
"""What the picture of a matrix shows, in words and signs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import enum
import functools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import device_classes

DEVICE, TYPE, ACCEPTS = 'device', 'type', 'accepts'
#: Of a fact that other devices of the vendor have.
UNKNOWN = 'unknown'
_REPLACEMENT = '\N{REPLACEMENT CHARACTER}'

Row = Sequence[device_classes.Cell]


class Answer(enum.Enum):
    """What a cell says: a word, a sign, and what they mean.

    The signs are in the font that matplotlib brings, and none of them is
    ever shown as an emoji.
    """

    ACCEPTS = ('accepts', '✓', 'target accepts source')
    REFUSES = ('refuses', '✗', 'target refuses source')
    UNKNOWN = ('unknown', '?', 'unknown: something is not published')
    NOWHERE = (
        'same host only',
        '\N{EN DASH}',
        'same host only: nowhere to move',
    )

    def __init__(self, word: str, sign: str, meaning: str):
        self.word = word
        self.sign = sign
        self.meaning = meaning

    @classmethod
    def of(cls, cell: device_classes.Cell) -> 'Answer':
        """Return what a cell says."""
        if not cell.number:
            return cls.NOWHERE
        return _ANSWERS[cell.verdict.kind]


_ANSWERS = {
    verdict.Status.COMPATIBLE: Answer.ACCEPTS,
    verdict.Status.INCOMPATIBLE: Answer.REFUSES,
    verdict.Status.UNKNOWN: Answer.UNKNOWN,
}


@dataclasses.dataclass(frozen=True)
class Line:
    """A kind, or what it is for one of its types.

    :ivar source: None where it is nothing that mdevs could come from
    :ivar cells: none where it is not asked about as a source
    """

    kind: device_classes.Kind
    source: identity.Identity | None
    cells: tuple[device_classes.Cell, ...] = ()


def devices(kind: device_classes.Kind) -> str:
    """Return how many devices it is, on how many hosts."""
    return (
        f'{_count(len(kind.members), "device")} on '
        f'{_count(len(kind.by_host), "host")}'
    )


def _count(number: int, what: str) -> str:
    return f'{number} {what}{"" if number == 1 else "s"}'


@dataclasses.dataclass(frozen=True)
class Grid:
    """A matrix with its legend.

    :ivar columns: targets
    :ivar rows: sources, each with a cell for each column
    :ivar others: what has no row, and is a column, or nothing at all
    :ivar common: facts that are the same in all, and their values
    :ivar differing: names of the other facts
    """

    title: str
    columns: tuple[device_classes.Kind, ...]
    rows: tuple[Line, ...]
    others: tuple[Line, ...]
    common: Mapping[str, str]
    differing: tuple[str, ...]

    @classmethod
    def of(
        cls,
        kinds: Iterable[device_classes.Kind],
        rows: Iterable[Row],
        title: str,
    ) -> 'Grid':
        """Return the grid of a matrix.

        :param kinds: those to be named although they have no row and may
            be no column; where there are no rows, they are the columns
        :param rows: see cloud.kinds.matrix
        """
        kinds = tuple(kinds)
        lines = tuple(
            Line(row[0].origin, row[0].source, tuple(row))
            for row in rows
            if row
        )
        columns = (
            tuple(cell.destination for cell in lines[0].cells)
            if lines
            else kinds
        )
        others = tuple(_others((*kinds, *columns), lines))
        common, differing = _facts((*lines, *others))
        return cls(title, columns, lines, others, common, differing)

    @property
    def lines(self) -> tuple[Line, ...]:
        return self.rows + self.others

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The answers that there are."""
        found = {Answer.of(cell) for line in self.rows for cell in line.cells}
        return tuple(answer for answer in Answer if answer in found)

    @property
    def attributes(self) -> tuple[str, ...]:
        """What is said of each line."""
        names = (DEVICE, TYPE, *self.differing)
        return (*names, ACCEPTS) if self._alike else names

    def value(self, line: Line, attribute: str) -> str:
        """Return what is said of a line, empty where it has no such thing."""
        source = line.source
        if source is None:
            return ''
        if attribute == DEVICE:
            return identity.display_parent(source.parent)
        if attribute == TYPE:
            return source.type
        if attribute == ACCEPTS:
            alike = self._alike.get(line.kind.label)
            return f'other than {alike}' if alike else ''
        value = source.fact(attribute)
        if value is not None:
            return identity.display(attribute, value)
        return UNKNOWN if self._has(source.parent, attribute) else ''

    def _has(self, parent: str, fact: str) -> bool:
        return (identity.vendor_of(parent), fact) in self._facts_of_vendors

    @functools.cached_property
    def _alike(self) -> dict[str, str]:
        """Which kinds are the same devices as an earlier one.

        Nothing tells them apart but what they accept.
        """
        first: dict[object, str] = {}
        found = {}
        for line in self.lines:
            label = first.setdefault(line.kind.sources, line.kind.label)
            if line.source is not None and label != line.kind.label:
                found[line.kind.label] = label
        return found

    @functools.cached_property
    def _facts_of_vendors(self) -> frozenset[tuple[str, str]]:
        return frozenset(
            (identity.vendor_of(line.source.parent), name)
            for line in self.lines
            if line.source is not None
            for name, _ in line.source.facts
        )

    def words(self, line: Line) -> str:
        """Return what a line stands for, without what all have in common."""
        if line.source is None:
            return str(line.kind)
        said = [self.value(line, name) for name in (DEVICE, TYPE)]
        said += [
            f'{name}={self.value(line, name)}'
            for name in self.differing
            if self.value(line, name)
        ]
        alike = self.value(line, ACCEPTS)
        return ' '.join(said) + (f' (accepts {alike})' if alike else '')

    def column_words(self, kind: device_classes.Kind) -> str:
        """Return what a column stands for."""
        return ' or '.join(
            self.words(Line(kind, source))
            for source in kind.sources or (None,)
        )

    def common_words(self) -> str:
        """Return what all have in common; nothing where there is nothing."""
        return ', '.join(
            f'{name} {value}' for name, value in self.common.items()
        )

    def cell_words(self, line: Line, cell: device_classes.Cell) -> list[str]:
        """Return what a cell says, with its reasons, in lines."""
        target = cell.destination
        reasons = because(cell)
        return [
            f'from {line.kind.label}: {self.words(line)}',
            f'to {target.label}: {self.column_words(target)}',
            Answer.of(cell).word + (f': {reasons}' if reasons else ''),
        ]


def because(cell: device_classes.Cell) -> str:
    """Return the reasons of a cell; nothing where it accepts."""
    reasons = str(cell.verdict)
    if cell.number:
        return reasons
    hosts = ', '.join(sorted(cell.origin.by_host))
    otherwise = reasons or Answer.ACCEPTS.word
    return f'all are on {hosts}; apart from that: {otherwise}'


def _others(
    kinds: Iterable[device_classes.Kind], rows: Iterable[Line]
) -> Iterator[Line]:
    shown = {row.kind.label for row in rows}
    for kind in {kind.label: kind for kind in kinds}.values():
        if kind.label not in shown:
            yield from (
                Line(kind, source) for source in kind.sources or (None,)
            )


def _facts(lines: Iterable[Line]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what all sources have in common, and names of other facts."""
    sources = {line.source.facts for line in lines if line.source is not None}
    common = frozenset.intersection(*sources) if sources else frozenset()
    names = {name for facts in sources for name, _ in facts}
    return (
        {
            name: identity.display(name, value)
            for name, value in sorted(common)
        },
        tuple(sorted(names - dict(common).keys())),
    )


def printable(text: str) -> str:
    """Return text that can stand in a line of a picture, and in XML.

    Placement takes any character in a provider's name: those that are
    controls, change the direction of writing or are no characters at all
    are replaced.
    """
    return ''.join(
        letter if letter.isprintable() else _REPLACEMENT for letter in text
    )
