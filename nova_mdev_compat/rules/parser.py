# SPDX-License-Identifier: Apache-2.0
"""Parse and check the text of a rule file. Pure."""

from collections.abc import Mapping, Sequence
import itertools
import re
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import schema
from nova_mdev_compat.rules import yaml_document

_OPERATORS = {
    'at_least': pattern.Op.GE,
    'above': pattern.Op.GT,
    'at_most': pattern.Op.LE,
    'below': pattern.Op.LT,
}
#: Errors in the form of a file that are reported.
MAX_FAULTS = 1000
#: Pairs that the list of a target and that of devices may make of one fact.
_MAX_ALTERNATIVES = 1000
_RESERVED = frozenset({identity.canonical(model.SAME), pattern.ANY})


def parse(file: str, raw: bytes) -> model.RuleFile:
    """Return the rules of a file and everything that is wrong with it.

    A file of the wrong form has no rules; otherwise those that are right are
    returned beside the errors in the others.

    :param file: its name, for positions
    """
    try:
        doc = yaml_document.parse(raw)
    except yaml_document.DocumentError as exc:
        place = model.Position(file, exc.line, exc.column)
        return model.RuleFile(errors=(model.RuleError(str(exc), place),))
    malformed = sorted(
        itertools.islice(schema.faults(doc.data), MAX_FAULTS),
        # A key that seems to be missing may be misspelt: the one that is
        # there comes first.
        key=lambda fault: (fault.missing, fault.mark(doc)),
    )
    if malformed:
        errors = [fault.error(file, doc) for fault in malformed]
        # Two faults of one value may have one remedy.
        by_text = {str(error): error for error in errors}
        return model.RuleFile(errors=tuple(by_text.values()))
    try:
        vendor, devices = _scope(doc.data)
    except schema.Fault as exc:
        return model.RuleFile(errors=(exc.error(file, doc),))
    rules, errors, names = [], [], set()
    for index, item in enumerate(doc.data['rules']):
        path = ('rules', index)
        source = f'{file}:{doc.marks[path][0]}'
        try:
            with schema.at(*path):
                target, accepts = _rule(vendor, devices, item)
                rule = model.Rule(
                    item['name'], source, target, accepts, doc, path
                )
                patterns = evaluation.number_of_patterns(rule)
                if patterns > evaluation.MAX_PATTERNS:
                    raise schema.Fault(evaluation.TOO_MANY)
                if rule.name in names:
                    raise schema.Fault(
                        'an earlier rule has this name; give '
                        'each rule its own name',
                        'name',
                    )
            rules.append(rule)
        except schema.Fault as exc:
            errors.append(exc.error(file, doc))
        names.add(item['name'])
    return model.RuleFile(
        vendor, tuple(rules), tuple(errors), devices, file, doc
    )


def _scope(data: Mapping[str, Any]) -> tuple[str, model.Target | None]:
    """Return the vendor and the devices that a file is for; None is all."""
    vendor = data['vendor']
    if vendor != model.EVERY_VENDOR:
        try:
            vendor = identity.vendor(vendor)
        except identity.IdentityError as exc:
            raise schema.Fault(
                f'must be {schema.VENDOR}, not {vendor!r}', 'vendor'
            ) from exc
    if 'devices' not in data:
        return vendor, None
    first, *_, last = schema.VERSIONS
    if data['schema_version'] == first:
        raise schema.Fault(f'needs schema_version {last}', 'devices', key=True)
    with schema.at('devices'):
        return vendor, _target(vendor, data['devices'])


def _rule(
    vendor: str, devices: model.Target | None, item: Mapping[str, Any]
) -> tuple[model.Target, model.Accepts]:
    with schema.at('target'):
        target = _target(vendor, item.get('target', {}))
        if devices is not None:
            target = _within(devices, target)
    accepts = item['accepts']
    with schema.at('accepts'):
        return target, model.Accepts(
            tuple(_products(vendor, accepts.get('product', model.SAME))),
            tuple(_types(accepts.get('type', model.SAME), 'any')),
            _facts(accepts, same=True),
        )


def _within(devices: model.Target, target: model.Target) -> model.Target:
    """Return those of a rule's targets that its file is for."""
    for name in devices.facts.keys() & target.facts.keys():
        pairs = len(devices.facts[name]) * len(target.facts[name])
        if pairs > _MAX_ALTERNATIVES:
            raise schema.Fault(
                'this list and that of devices make more than '
                f'{_MAX_ALTERNATIVES} pairs; shorten one',
                'facts',
                name,
            )
    result = target.within(devices)
    for key, found in (('product', result.products), ('type', result.types)):
        if found is not None and not found:
            raise schema.Fault(
                'none of these is in devices, to which this file is limited',
                key,
            )
    return result


def _target(vendor: str, item: Mapping[str, Any]) -> model.Target:
    products = types = None
    if 'product' in item:
        products = frozenset(_products(vendor, item['product']))
    if 'type' in item:
        types = frozenset(_types(item['type'], 'leave it out for all'))
    return model.Target(products, types, _facts(item, same=False))


def _products(vendor: str, value: str | Sequence[str]) -> list[str]:
    if isinstance(value, str):
        return [value]
    with schema.at('product'):
        try:
            products = [identity.pci_parent(vendor, item) for item in value]
        except identity.IdentityError as exc:
            raise schema.Fault(
                'product ids need a vendor of four hexadecimal digits'
            ) from exc
        _check_unique(products, value)
        return products


def _types(value: str | Sequence[str], for_all: str) -> list[str]:
    """Return canonical types.

    :param for_all: what to write for all types
    """
    if isinstance(value, str):
        return [value]
    with schema.at('type'):
        types = []
        for index, text in enumerate(value):
            try:
                types.append(identity.literal(text))
            except identity.SignError as exc:
                right = (
                    f'name each type that is meant, or {for_all}; '
                    f'{_plain(text)}'
                )
                if listed := _list(text):
                    right = f'write {listed}'
                raise schema.Fault(f'{exc}; {right}', index) from exc
            except identity.IdentityError as exc:
                raise schema.Fault(str(exc), index) from exc
            if types[-1] in _RESERVED:
                raise schema.Fault(
                    f'{text!r} is not an mdev type; same and any are only '
                    'allowed in accepts, and not in a list',
                    index,
                )
        _check_unique(types, value)
        return types


def _check_unique(canonical: Sequence[Any], raw: Sequence[str]) -> None:
    seen = set()
    for index, item in enumerate(canonical):
        if item in seen:
            raise schema.Fault(f'duplicate {raw[index]!r}', index)
        seen.add(item)


def _facts(
    item: Mapping[str, Any], same: bool
) -> dict[str, model.Alternatives]:
    """Return what a target or accepts demands of facts.

    :param same: whether a value may be the target's own
    """
    facts = {}
    for name, value in item.get('facts', {}).items():
        with schema.at('facts', name):
            try:
                identity.fact_name(name)
            except identity.IdentityError as exc:
                raise schema.Fault(str(exc), key=True) from exc
            if same and name == identity.FRAMEWORK:
                raise schema.Fault(
                    "a rule cannot accept another framework: the target's own "
                    'always applies; leave this out, or name it in target',
                    key=True,
                )
            facts[name] = _FactParser(name, same).alternatives(value)
    return facts


class _FactParser:
    """Parses what a rule demands of one fact.

    :param same: whether a value may be the target's own
    """

    def __init__(self, name: str, same: bool):
        self._name = name
        self._same = same

    def alternatives(self, value: Any) -> model.Alternatives:
        if isinstance(value, dict):
            return (self._range(value),)
        version = identity.is_version_fact(self._name)
        op = pattern.Op.EQ if version else pattern.Op.IS
        if isinstance(value, str):
            return ((self._operand(op, value, ''),),)
        return tuple((one,) for one in self._operands(op, value, 'list'))

    def _range(self, value: Mapping[str, Any]) -> tuple[model.Operand, ...]:
        operands = []
        for key, op in _OPERATORS.items():
            if key in value:
                with schema.at(key):
                    operands.append(self._operand(op, value[key], 'range'))
        excepted = value.get('except', [])
        with schema.at('except'):
            operands += self._operands(pattern.Op.NE, excepted, 'range')
        literal = [
            operand.condition(self._name)
            for operand in operands
            if operand.value != model.SAME
        ]
        if pattern.is_empty(literal):
            raise schema.Fault('no version is in this range')
        return tuple(operands)

    def _operands(
        self, op: pattern.Op, values: Sequence[str], inside: str
    ) -> list[model.Operand]:
        operands = []
        for index, text in enumerate(values):
            with schema.at(index):
                operands.append(self._operand(op, text, inside))
        _check_unique(operands, values)
        return operands

    def _operand(
        self, op: pattern.Op, text: str, inside: str
    ) -> model.Operand:
        """Return an operator with a value.

        :param inside: ``list``, ``range`` or nothing
        """
        if text == model.SAME:
            if not self._same:
                raise schema.Fault(
                    "same is the target's own value and not allowed in a "
                    'target; write a value'
                )
            return model.Operand(op, model.SAME)
        try:
            value = identity.literal(text, self._name)
        except identity.SignError as exc:
            right = _instead_of_fact(text, self._name, inside)
            raise schema.Fault(f'{exc}; {right}') from exc
        except identity.IdentityError as exc:
            raise schema.Fault(str(exc)) from exc
        if value in _RESERVED:
            raise schema.Fault(
                f'{text!r} is not a value; write same, in lower case, for the '
                "target's own value, or leave the fact out to accept any"
            )
        words = sorted(set(value.split('_')) & pattern.Op.__members__.keys())
        if words:
            raise schema.Fault(
                f'{text!r} contains the word {words[0]}, which is an operator '
                'in a trait'
            )
        if op in pattern.OPS and not versions.is_version(value):
            right = '; for other values write a list, not a range'
            raise schema.Fault(
                f'{text!r} is not a version, which starts with a digit'
                f'{"" if op is pattern.Op.EQ else right}'
            )
        return model.Operand(op, value)


# Suggestions for values with signs that a trait cannot carry. identity.literal
# decides which values are refused.

_RANGE = '{at_least: "550", below: "560"}'
_COMPARISON = re.compile(
    r'\s*(>=|=>|\u2265|>|<=|=<|\u2264|<|!=|<>|\u2260|!|==?)\s*'
    r'([0-9][^\s<>=!,&\u2260-\u2265]*)\s*(?:,|&&?|and\b|$)?\s*'
)
_KEYS = {
    '>=': 'at_least',
    '=>': 'at_least',
    '\u2265': 'at_least',
    '>': 'above',
    '<=': 'at_most',
    '=<': 'at_most',
    '\u2264': 'at_most',
    '<': 'below',
}
_EQUAL = frozenset({'=', '=='})
#: A version and all that begin with it: 550.*, 550+.
_BRANCH = re.compile(r'([0-9]+(?:\.[0-9]+)*)(?:\.?\*|\.?%)')
_ONWARDS = re.compile(r'([0-9]\S*?)\s*\+')
_LIST = re.compile(r'\s*[,;|]+\s*')


def _instead_of_fact(text: str, fact: str, inside: str) -> str:
    """Return what to write for a fact.

    :param text: what the file has
    :param inside: ``list``, ``range`` or nothing
    """
    if inside == 'range':
        # The opposite may be meant: {except: ["550.*"]}.
        return f'this must be one version; a range as a whole is {_RANGE}'
    version = identity.is_version_fact(fact)
    right = _version(text, fact) if version else _list(text)
    if right:
        place = 'in place of the list, ' if inside else ''
        return f'{place}write {right}'
    if version:
        return f'a range is {_RANGE}; {_plain(text, fact)}'
    return f'list all values that are meant, {_plain(text, fact)}'


def _plain(text: str, fact: str = '') -> str:
    plain = identity.display(fact, identity.canonical(text)).lower()
    return f'or, if the sign means nothing, "{plain}"'


def _version(text: str, fact: str) -> str:
    """Return a range or list of versions, as a rule file has it."""
    ends = identity.version_range(text, fact)
    if ends:
        return f'{{at_least: "{ends[0]}", at_most: "{ends[1]}"}}'
    branch = _BRANCH.fullmatch(text)
    if branch:
        *first, last = branch[1].split('.')
        after = '.'.join([*first, str(int(last) + 1)])
        return f'{{at_least: "{branch[1]}", below: "{after}"}}'
    onwards = _ONWARDS.fullmatch(text)
    if onwards:
        # The kernel's own sign of a modified tree, or "and newer".
        return f'{{at_least: "{onwards[1]}"}} or "{onwards[1]}"'
    return _comparisons(text) or _list(text, fact)


def _comparisons(text: str) -> str:
    """Return a range for ``>=550, <560, !=555``; empty if it is not one."""
    found, end = [], 0
    while match := _COMPARISON.match(text, end):
        found.append((match[1], match[2]))
        end = match.end()
    if not found or end < len(text):
        return ''
    if _EQUAL.intersection(sign for sign, _ in found):
        return f'"{found[0][1]}"' if len(found) == 1 else ''
    parts = [
        f'{_KEYS[sign]}: "{version}"'
        for sign, version in found
        if sign in _KEYS
    ]
    excepted = [version for sign, version in found if sign not in _KEYS]
    if excepted:
        parts.append(f'except: {_quoted(excepted)}')
    return f'{{{", ".join(parts)}}}'


def _list(text: str, fact: str = '') -> str:
    """Return a list of values, where a text is one of good values."""
    parts = _LIST.split(text.strip())
    try:
        good = [part for part in parts if identity.literal(part, fact)]
    except identity.IdentityError:
        return ''
    return _quoted(good) if len(good) > 1 else ''


def _quoted(values: Sequence[str]) -> str:
    texts = ', '.join(f'"{value}"' for value in values)
    return f'[{texts}]'
