# SPDX-License-Identifier: Apache-2.0
"""One rule document, checked, as rules. Pure."""

from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.core import versions
from nova_mdev_compat.rules import document
from nova_mdev_compat.rules import evaluation
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import schema
from nova_mdev_compat.rules import signs

_OPERATORS = {
    'at_least': pattern.Op.GE,
    'above': pattern.Op.GT,
    'at_most': pattern.Op.LE,
    'below': pattern.Op.LT,
}
#: What a list in a target and one in devices may make of one fact.
_MAX_ALTERNATIVES = 1000
#: Characters that are shown of a key.
_MAX_KEY = 60
_RESERVED = frozenset({identity.canonical(model.SAME), pattern.ANY})


class Reader:
    """Turns one document into rules; knows where it is for its errors."""

    def __init__(self, path: pathlib.Path, doc: document.Document):
        self.path = path
        self.doc = doc
        self._places = _places(str(path), doc)

    def read(self) -> model.RuleFile:
        """Return what the document says, and all that is wrong with it.

        Where its form is wrong it has no rules; otherwise it has those that
        are right.
        """
        errors = self._malformed()
        if errors:
            return model.RuleFile('', (), tuple(errors))
        try:
            vendor = self._vendor(self.doc.data['vendor'])
            devices = self._devices(vendor)
        except model.RuleError as exc:
            return model.RuleFile('', (), (exc,))
        rules: list[model.Rule] = []
        for index, item in enumerate(self.doc.data['rules']):
            try:
                rules.append(self._new_rule(vendor, devices, item, index))
            except model.RuleError as exc:
                errors.append(exc)
        return model.RuleFile(
            vendor,
            tuple(rules),
            tuple(errors),
            devices,
            self._places.get(('devices',), {}),
        )

    def _malformed(self) -> list[model.RuleError]:
        # A key that is missing may only be misspelt: that is said first.
        found = [
            (fault.missing, self._mark(fault.path, fault.unknown), fault)
            for fault in schema.faults(self.doc.data)
        ]
        found.sort(key=lambda item: item[:2])
        # One value can be wrong in two ways that are put right in one.
        return [
            self._error(fault.path, fault.message, fault.unknown)
            for fault in dict.fromkeys(fault for *_, fault in found)
        ]

    def _new_rule(
        self,
        vendor: str,
        devices: model.Target | None,
        item: Mapping[str, Any],
        index: int,
    ) -> model.Rule:
        earlier = [other['name'] for other in self.doc.data['rules'][:index]]
        rule = self._rule(vendor, devices, item, ('rules', index))
        if evaluation.number_of_patterns(rule) > evaluation.MAX_PATTERNS:
            raise self._error(('rules', index), evaluation.TOO_MANY)
        if rule.name in earlier:
            raise self._error(
                ('rules', index, 'name'),
                'an earlier rule has this name; give each its own',
            )
        return rule

    def _vendor(self, text: str) -> str:
        if text == model.EVERY_VENDOR:
            return text
        try:
            return identity.vendor(text)
        except identity.IdentityError as exc:
            raise self._error(
                ('vendor',), f'must be {schema.VENDOR}, not {text!r}'
            ) from exc

    def _devices(self, vendor: str) -> model.Target | None:
        """Return for which devices the file speaks; None is all."""
        if 'devices' not in self.doc.data:
            return None
        first, *_ = schema.VERSIONS
        if self.doc.data['schema_version'] == first:
            raise self._error(
                ('devices',),
                (f'it needs schema_version "{schema.VERSIONS[-1]}"'),
                key=True,
            )
        return self._target(vendor, self.doc.data['devices'], ('devices',))

    def _rule(
        self,
        vendor: str,
        devices: model.Target | None,
        item: Mapping[str, Any],
        path: document.Path,
    ) -> model.Rule:
        accepts = item['accepts']
        line, _ = self._mark(path)
        target = self._target(
            vendor, item.get('target', {}), (*path, 'target')
        )
        if devices is not None:
            target = self._within(devices, target, (*path, 'target'))
        return model.Rule(
            name=item['name'],
            source=f'{self.path}:{line}',
            places=self._places.get(path, {}),
            target=target,
            accepts=model.Accepts(
                products=tuple(
                    self._products(
                        vendor,
                        accepts.get('product', model.SAME),
                        (*path, 'accepts', 'product'),
                    )
                ),
                types=tuple(
                    self._types(
                        accepts.get('type', model.SAME),
                        (*path, 'accepts', 'type'),
                    )
                ),
                facts=self._facts(accepts, (*path, 'accepts'), same=True),
            ),
        )

    def _within(
        self, devices: model.Target, target: model.Target, path: document.Path
    ) -> model.Target:
        """Return those of a rule's targets that its file speaks for."""
        for name in devices.facts.keys() & target.facts.keys():
            if (
                len(devices.facts[name]) * len(target.facts[name])
                > _MAX_ALTERNATIVES
            ):
                raise self._error(
                    (*path, 'facts', name),
                    (
                        'this list and that of devices make more than '
                        f'{_MAX_ALTERNATIVES} pairs; shorten one'
                    ),
                )
        result = target.within(devices)
        for key, found in (
            ('product', result.products),
            ('type', result.types),
        ):
            if found is not None and not found:
                raise self._error(
                    (*path, key),
                    (
                        'none of these is in devices, which is all that this '
                        'file speaks for'
                    ),
                )
        return result

    def _target(
        self, vendor: str, item: Mapping[str, Any], path: document.Path
    ) -> model.Target:
        products = types = None
        if 'product' in item:
            products = frozenset(
                self._products(vendor, item['product'], (*path, 'product'))
            )
        if 'type' in item:
            types = frozenset(self._types(item['type'], (*path, 'type')))
        return model.Target(
            products, types, self._facts(item, path, same=False)
        )

    def _products(
        self, vendor: str, value: Any, path: document.Path
    ) -> list[str]:
        if isinstance(value, str):
            return [value]
        try:
            products = [identity.pci_parent(vendor, item) for item in value]
        except identity.IdentityError as exc:
            raise self._error(
                path, "product ids need a 'vendor' of four hexadecimal digits"
            ) from exc
        self._once(products, value, path)
        return products

    def _types(self, value: Any, path: document.Path) -> list[str]:
        if isinstance(value, str):
            return [value]
        types = [
            self._type(item, (*path, index))
            for index, item in enumerate(value)
        ]
        self._once(types, value, path)
        return types

    def _type(self, text: str, path: document.Path) -> str:
        try:
            mdev_type = identity.literal(text)
        except identity.SignError as exc:
            right = signs.instead_of_type(text, 'accepts' in path)
            raise self._error(path, f'{exc}; {right}') from exc
        except identity.IdentityError as exc:
            raise self._error(path, str(exc)) from exc
        if mdev_type in _RESERVED:
            raise self._error(
                path,
                (
                    f'{text!r} is no mdev type; same and any stand alone, '
                    'without a list, and only in accepts'
                ),
            )
        return mdev_type

    def _once(
        self, canonical: Sequence[Any], raw: Sequence[str], path: document.Path
    ) -> None:
        seen = set()
        for index, item in enumerate(canonical):
            if item in seen:
                raise self._error(
                    (*path, index), f'{raw[index]!r} stands here twice'
                )
            seen.add(item)

    def _facts(
        self, where: Mapping[str, Any], path: document.Path, same: bool
    ) -> dict[str, model.Alternatives]:
        facts = {}
        for name, value in where.get('facts', {}).items():
            here = (*path, 'facts', name)
            try:
                identity.fact_name(name)
            except identity.IdentityError as exc:
                raise self._error(here, str(exc), key=True) from exc
            facts[name] = self._alternatives(name, value, here, same)
        return facts

    def _alternatives(
        self, name: str, value: Any, path: document.Path, same: bool
    ) -> model.Alternatives:
        if isinstance(value, dict):
            return (self._range(value, path, same),)
        op = pattern.Op.EQ if identity.is_version_fact(name) else pattern.Op.IS
        if isinstance(value, str):
            return ((self._operand(op, value, path, same),),)
        return tuple(
            (operand,) for operand in self._operands(op, value, path, same)
        )

    def _operands(
        self,
        op: pattern.Op,
        values: Sequence[str],
        path: document.Path,
        same: bool,
    ) -> list[model.Operand]:
        operands = [
            self._operand(op, item, (*path, index), same)
            for index, item in enumerate(values)
        ]
        self._once(operands, values, path)
        return operands

    def _range(
        self, value: Mapping[str, Any], path: document.Path, same: bool
    ) -> tuple[model.Operand, ...]:
        operands = [
            self._operand(op, value[key], (*path, key), same)
            for key, op in _OPERATORS.items()
            if key in value
        ]
        operands += self._operands(
            pattern.Op.NE, value.get('except', []), (*path, 'except'), same
        )
        self._possible(operands, path)
        return tuple(operands)

    def _possible(
        self, operands: list[model.Operand], path: document.Path
    ) -> None:
        literal = tuple(
            pattern.Condition('x', operand.op, operand.value)
            for operand in operands
            if operand.value != model.SAME
        )
        if pattern.Pattern('X', 'X', literal).is_empty():
            raise self._error(path, 'no version is in this range')

    def _operand(
        self, op: pattern.Op, text: str, path: document.Path, same: bool
    ) -> model.Operand:
        if text == model.SAME:
            if not same:
                raise self._error(
                    path,
                    "'same' means nothing in a target, which is what "
                    'accepts is compared with; write a value',
                )
            return model.Operand(op, model.SAME)
        value = self._value(text, path)
        if value in _RESERVED:
            raise self._error(
                path,
                f'{text!r} is no value; write same, in lower case, for '
                'the own value, and leave a fact out to take any',
            )
        words = sorted(set(value.split('_')) & pattern.Op.__members__.keys())
        if words:
            raise self._error(
                path,
                f'{text!r} has the word {words[0]}, which a trait '
                'cannot tell from an operator',
            )
        if op in pattern.OPS and not versions.is_version(value):
            raise self._error(
                path,
                f'{text!r} is not a version, which starts with a digit'
                + (
                    ''
                    if op is pattern.Op.EQ
                    else '; for other values write a list, not a range'
                ),
            )
        return model.Operand(op, value)

    def _value(self, text: str, path: document.Path) -> str:
        """Return a fact's value; the path is its, or of a part of it."""
        place = path.index('facts') + 2
        name = str(path[place - 1])
        try:
            return identity.literal(text, name)
        except identity.SignError as exc:
            right = signs.instead_of_fact(text, name, path[place:])
            raise self._error(path, f'{exc}; {right}') from exc
        except identity.IdentityError as exc:
            raise self._error(path, str(exc)) from exc

    def _error(
        self, path: document.Path, message: str, key: bool = False
    ) -> model.RuleError:
        place = model.Place(str(self.path), *self._mark(path, key))
        rule = None
        if len(path) > 1 and path[0] == 'rules':
            rule = self._rule_name(path[1])
            path = path[2:]
        return model.RuleError(_whereabouts(path) + message, place, rule)

    def _mark(self, path: document.Path, key: bool = False) -> document.Mark:
        return (self.doc.keys if key else self.doc.marks)[path]

    def _rule_name(self, index: Any) -> str:
        rule = self.doc.data['rules'][index]
        name = rule.get('name') if isinstance(rule, dict) else None
        if isinstance(name, str) and 0 < len(name) <= schema.MAX_TEXT:
            return repr(name)
        return str(index + 1)


def _places(
    file: str,
    doc: document.Document,
) -> dict[document.Path, dict[document.Path, model.Place]]:
    """Return where keys stand: of each rule and of devices, by their paths.

    Paths inside are from there on.
    """
    found: dict[document.Path, dict[document.Path, model.Place]] = {}
    for path, mark in {**doc.marks, **doc.keys}.items():
        depth = {'rules': 2, 'devices': 1}.get(str(path[0]) if path else '')
        if depth is not None and len(path) >= depth:
            inside = found.setdefault(path[:depth], {})
            inside[path[depth:]] = model.Place(file, *mark)
    return found


def _whereabouts(path: document.Path) -> str:
    """Return the key, as far as there is any."""
    keys = [item for item in path if isinstance(item, str)]
    words = '.'.join(
        key if len(key) <= _MAX_KEY else f'{key[:_MAX_KEY]}…' for key in keys
    )
    if path and isinstance(path[-1], int):
        words += f' entry {path[-1] + 1}'
    return f'{words}: ' if words else ''
