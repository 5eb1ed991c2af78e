# SPDX-License-Identifier: Apache-2.0
"""Valid rules that are probably mistakes. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
import dataclasses
import difflib
import re

from nova_mdev_compat.core import identity
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import subsumption
from nova_mdev_compat.rules import yaml_document

#: PCI ids by canonical name of the vendor.
_PCI_IDS = {'AMD': '1002', 'INTEL': '8086', 'NVIDIA': '10de'}
_NEVER = 'so the rule never matches'
_EMPTY = f'no version is in this range, {_NEVER}; widen it'
_FLOOR = 'Nova refuses a live migration to another type'
#: As the collector reads it: two PCI ids.
_SUBSYSTEM = re.compile('[0-9A-F]{4}_[0-9A-F]{4}')
_PREFIXED = re.compile('(?:0X)?([0-9A-F]{4})_?(?:0X)?([0-9A-F]{4})')
#: 550.x, 550.xx.
_ANY_PART = re.compile('([0-9_]*[0-9])_X+')

#: All canonical values by fact name, of the facts that have few.
Values = Mapping[str, Collection[str]]


@dataclasses.dataclass(frozen=True)
class Remark:
    """A probable mistake in a rule.

    :ivar path: where in it, ``('accepts', 'facts', 'ecc')``; () is all of it
    :ivar text: what is wrong and what would be right
    """

    rule: model.Rule
    path: yaml_document.Path
    text: str


def vendor_remark(vendor: str) -> str | None:
    """Return why no device has a canonical vendor, None if some may."""
    if vendor not in _PCI_IDS:
        return None
    return (
        f'no device has the vendor {vendor.lower()}, so its rules never '
        f'match; write the PCI id, {_PCI_IDS[vendor]}'
    )


def lint(
    vendor: str,
    rules: Sequence[model.Rule],
    known_facts: Collection[str],
    known_values: Values | None = None,
) -> Iterator[Remark]:
    """Return probable mistakes, in the rules' order.

    :param vendor: canonical, or EVERY_VENDOR
    :param rules: all rules of the vendor
    :param known_facts: the facts that collectors publish of its devices
    :param known_values: see Values
    """
    never = [
        [
            *_unknown_facts(vendor, rule, known_facts),
            *_impossible_facts(rule, known_facts),
            *_no_type(rule),
        ]
        for rule in rules
    ]
    alive = [number for number, remarks in enumerate(never) if not remarks]
    for number, remarks in enumerate(never):
        yield from remarks or _shadowed(rules, number, alive)
        yield from unknown_values(rules[number], known_values or {})
        yield from _beyond_floor(rules[number])


def devices_remarks(
    vendor: str,
    devices: model.Target,
    known_facts: Collection[str],
    known_values: Values,
) -> Iterator[tuple[yaml_document.Path, str]]:
    """Return probable mistakes in a file's devices.

    :return: path, ``('devices', 'facts', 'module')``, and text of each
    """
    rule = model.Rule('', '', devices, model.Accepts())
    for remark in (
        *_unknown_facts(vendor, rule, known_facts),
        *_impossible_facts(rule, known_facts),
        *unknown_values(rule, known_values),
    ):
        text = remark.text.replace(
            _NEVER, 'so no rule of this file ever matches'
        )
        yield ('devices', *remark.path[1:]), text


def unknown_values(rule: model.Rule, known: Values) -> Iterator[Remark]:
    """Find values that no device has."""
    for path, alternatives in _facts(rule):
        name = path[-1]
        values = [one.value for one in model.operands(alternatives)]
        for value in dict.fromkeys(values):
            text = _why_unknown(name, value, known.get(name))
            if text and value != model.SAME:
                yield Remark(rule, path, text)


def _why_unknown(
    name: str, value: str, known: Collection[str] | None
) -> str | None:
    if known is not None and value not in known:
        values = ', '.join(sorted(one.lower() for one in known))
        return f'{name} is never {value.lower()}; known: {values}'
    if name == 'subsystem' and not _SUBSYSTEM.fullmatch(value):
        ids = _PREFIXED.fullmatch(value)
        right = ':'.join(ids.groups()).lower() if ids else '10de:145a'
        return (
            f'subsystem is never {value.lower()}; it is two PCI ids, {right}'
        )
    branch = _ANY_PART.fullmatch(value)
    if branch and identity.is_version_fact(name):
        low = identity.display(name, branch[1])
        return (
            f'x is not a wildcard; for all versions of a branch write '
            f'{{at_least: "{low}", below: "…"}}'
        )
    return None


def _facts(
    rule: model.Rule,
) -> Iterator[tuple[tuple[str, str, str], model.Alternatives]]:
    for where, facts in (
        ('target', rule.target.facts),
        ('accepts', rule.accepts.facts),
    ):
        for name, alternatives in facts.items():
            yield (where, 'facts', name), alternatives


def _unknown_facts(
    vendor: str, rule: model.Rule, known: Collection[str]
) -> Iterator[Remark]:
    whose = f' of devices of {vendor.lower()}'
    if vendor == model.EVERY_VENDOR:
        whose = ''
    for path, _ in _facts(rule):
        name = path[-1]
        if name in known:
            continue
        near = difflib.get_close_matches(name, sorted(known), 1)
        hint = f'did you mean {near[0]}? Known' if near else 'known'
        text = (
            f'no collector publishes {name}{whose}, {_NEVER}; {hint}: '
            f'{", ".join(sorted(known)) or "none"}'
        )
        yield Remark(rule, path, text)


def _impossible_facts(
    rule: model.Rule, known: Collection[str]
) -> Iterator[Remark]:
    targets, sources = rule.target.facts, rule.accepts.facts
    for name in sorted({*targets, *sources}.intersection(known)):
        if not subsumption.applies(rule, name):
            yield Remark(rule, ('target', 'facts', name), _EMPTY)
        elif not subsumption.accepts(rule, name):
            text = _EMPTY
            if model.needs_own(sources[name]):
                other = f' or target.facts.{name}' if name in targets else ''
                text = (
                    'no version is in this range for any target of the '
                    f'rule, {_NEVER}; change it{other}'
                )
            yield Remark(rule, ('accepts', 'facts', name), text)


def _no_type(rule: model.Rule) -> Iterator[Remark]:
    types, targets = rule.accepts.types, rule.target.types
    if targets is None or {model.SAME, model.ANY, *targets} & {*types}:
        return
    text = (
        f'{_FLOOR}, and none of these is in target.type, {_NEVER}; write '
        'type: same'
    )
    yield Remark(rule, ('accepts', 'type'), text)


def _beyond_floor(rule: model.Rule) -> Iterator[Remark]:
    """Find types that are accepted although Nova refuses them."""
    types, targets = frozenset(rule.accepts.types), rule.target.types
    if model.SAME in types or (targets == types and len(types) == 1):
        return
    both = types if targets is None else types & targets
    text = f'{_FLOOR}; write type: same'
    if model.ANY not in types and targets != both:
        if not both:
            return
        text += f', and in target.type {", ".join(sorted(both))}'
    yield Remark(rule, ('accepts', 'type'), text)


def _shadowed(
    rules: Sequence[model.Rule], number: int, alive: Collection[int]
) -> Iterator[Remark]:
    """Find the rule that makes one redundant; of equal ones, the later."""
    rule = rules[number]
    for other in alive:
        if (
            other != number
            and subsumption.covers(rules[other], rule)
            and (other < number or not subsumption.covers(rule, rules[other]))
        ):
            text = (
                f'rule {rules[other]} accepts everything that this one '
                'accepts; delete this one, or correct one of them'
            )
            yield Remark(rule, (), text)
            return
