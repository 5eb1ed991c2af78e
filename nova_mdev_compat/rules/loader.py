# SPDX-License-Identifier: Apache-2.0
"""The only reader of rule files."""

from collections.abc import Iterable, Mapping
import pathlib
from typing import Any

import jsonschema

from nova_mdev_compat import exceptions
from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat.rules import document
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import schema
from nova_mdev_compat import versions

_OPERATORS = {'at_least': pat.Op.GE, 'above': pat.Op.GT,
              'at_most': pat.Op.LE, 'below': pat.Op.LT}
_VALIDATOR = jsonschema.Draft202012Validator(schema.RULE_FILE)


class RuleError(exceptions.BadInput):
    """Rules that cannot be used; the message says where and why."""


def load(directories: Iterable[str]) -> model.RuleSet:
    """Return the rules of all directories.

    A file masks one of the same name in a directory that stands earlier; a
    directory that does not exist has no files.

    :param directories: shipped rules first, the operator's last
    :raises RuleError: a file or directory that cannot be read, a wrong
        file, or no file at all
    """
    directories = list(directories)
    files: dict[str, pathlib.Path] = {}
    for directory in directories:
        files.update(_files(pathlib.Path(directory)))
    if not files:
        raise RuleError('no rule file (*.yaml) in '
                        f'{", ".join(directories) or "an empty rules_dirs"}: '
                        'set [collector]rules_dirs')
    rules: dict[str, tuple[model.Rule, ...]] = {}
    for name in sorted(files):
        vendor, found = load_file(files[name])
        rules[vendor] = rules.get(vendor, ()) + found
    return model.RuleSet(rules)


def _files(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    try:
        return {path.name: path for path in directory.iterdir()
                if path.suffix == '.yaml'}
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise RuleError(f'{directory}: {exc.strerror}') from exc


def load_file(path: pathlib.Path) -> tuple[str, tuple[model.Rule, ...]]:
    """Return a file's vendor (canonical, or EVERY_VENDOR) and its rules.

    :raises RuleError: it cannot be read, or is wrong
    """
    try:
        raw = path.read_bytes()
    except OSError as exc:
        raise RuleError(f'{path}: {exc.strerror}') from exc
    try:
        return _Reader(path, document.parse(raw)).read()
    except document.DocumentError as exc:
        raise RuleError(f'{path}:{exc.line}:{exc.column}: {exc}') from exc


class _Reader:
    """Turns one document into rules; knows where it is for its errors."""

    def __init__(self, path: pathlib.Path, doc: document.Document):
        self.path = path
        self.doc = doc

    def read(self) -> tuple[str, tuple[model.Rule, ...]]:
        self._validate()
        data = self.doc.data
        vendor = self._vendor(data['vendor'])
        rules: list[model.Rule] = []
        for index, item in enumerate(data['rules']):
            rules.append(self._rule(vendor, item, ('rules', index)))
            if item['name'] in [rule.name for rule in rules[:-1]]:
                raise self._error(('rules', index, 'name'),
                                  'an earlier rule has this name')
        return vendor, tuple(rules)

    def _validate(self) -> None:
        error = jsonschema.exceptions.best_match(
            _VALIDATOR.iter_errors(self.doc.data))
        if error is not None:
            raise self._error(tuple(error.absolute_path), _explain(error))

    def _vendor(self, text: str) -> str:
        if text == model.EVERY_VENDOR:
            return text
        try:
            vendor = ident.canonical(text)
            # The same reserved words as for a parent without PCI ids.
            return ident.vendor_of(ident.subsystem_parent(vendor))
        except ident.IdentityError as exc:
            raise self._error(('vendor',), str(exc)) from exc

    def _rule(self, vendor: str, item: Mapping[str, Any],
              path: document.Path) -> model.Rule:
        target, accepts = item.get('target', {}), item['accepts']
        line, _ = self.doc.mark(path)
        return model.Rule(
            name=item['name'], source=f'{self.path}:{line}',
            target=model.Target(
                products=self._some_products(vendor, target, path),
                types=self._some_types(target, path),
                facts=self._facts(target, (*path, 'target'), same=False)),
            accepts=model.Accepts(
                products=tuple(self._products(
                    vendor, accepts.get('product', model.SAME),
                    (*path, 'accepts', 'product'))),
                types=tuple(self._types(accepts.get('type', model.SAME),
                                        (*path, 'accepts', 'type'))),
                facts=self._facts(accepts, (*path, 'accepts'), same=True)))

    def _some_products(self, vendor: str, target: Mapping[str, Any],
                       path: document.Path) -> frozenset[str] | None:
        if 'product' not in target:
            return None
        return frozenset(self._products(vendor, target['product'],
                                        (*path, 'target', 'product')))

    def _some_types(self, target: Mapping[str, Any],
                    path: document.Path) -> frozenset[str] | None:
        if 'type' not in target:
            return None
        return frozenset(self._types(target['type'],
                                     (*path, 'target', 'type')))

    def _products(self, vendor: str, value: Any,
                  path: document.Path) -> list[str]:
        if isinstance(value, str):
            return [value]
        try:
            return [ident.pci_parent(vendor, item) for item in value]
        except ident.IdentityError as exc:
            raise self._error(
                path, "product ids need a 'vendor' of four hexadecimal "
                'digits') from exc

    def _types(self, value: Any, path: document.Path) -> list[str]:
        if isinstance(value, str):
            return [value]
        return [self._canonical(item, (*path, index))
                for index, item in enumerate(value)]

    def _facts(self, where: Mapping[str, Any], path: document.Path,
               same: bool) -> dict[str, model.Alternatives]:
        facts = {}
        for name, value in where.get('facts', {}).items():
            here = (*path, 'facts', name)
            try:
                ident.fact_name(name)
            except ident.IdentityError as exc:
                raise self._error(here, str(exc)) from exc
            facts[name] = self._alternatives(name, value, here, same)
        return facts

    def _alternatives(self, name: str, value: Any, path: document.Path,
                      same: bool) -> model.Alternatives:
        if isinstance(value, dict):
            return (self._range(value, path, same),)
        items = value if isinstance(value, list) else [value]
        op = pat.Op.EQ if name in ident.VERSION_FACTS else pat.Op.IS
        return tuple((self._operand(op, item, path, same),) for item in items)

    def _range(self, value: Mapping[str, Any], path: document.Path,
               same: bool) -> tuple[model.Operand, ...]:
        operands = [
            self._operand(op, value[key], (*path, key), same)
            for key, op in _OPERATORS.items() if key in value]
        operands += [
            self._operand(pat.Op.NE, item, (*path, 'except', index), same)
            for index, item in enumerate(value.get('except', []))]
        self._possible(operands, path)
        return tuple(operands)

    def _possible(self, operands: list[model.Operand],
                  path: document.Path) -> None:
        literal = tuple(pat.Condition('x', operand.op, operand.value)
                        for operand in operands
                        if operand.value != model.SAME)
        if pat.Pattern('X', 'X', literal).is_empty():
            raise self._error(path, 'nothing is in this range')

    def _operand(self, op: pat.Op, text: str, path: document.Path,
                 same: bool) -> model.Operand:
        if text == model.SAME:
            if not same:
                raise self._error(path, "'same' means nothing in a target")
            return model.Operand(op, model.SAME)
        value = self._canonical(text, path)
        if op in pat.OPS and not versions.is_version(value):
            raise self._error(path, f'{text!r} is not a version')
        return model.Operand(op, value)

    def _canonical(self, text: str, path: document.Path) -> str:
        try:
            return ident.canonical(text)
        except ident.IdentityError as exc:
            raise self._error(path, str(exc)) from exc

    def _error(self, path: document.Path, message: str) -> RuleError:
        line, column = self.doc.mark(path)
        return RuleError(f'{self.path}:{line}:{column}: '
                         f'{self._whereabouts(path)}{message}')

    def _whereabouts(self, path: document.Path) -> str:
        """Return the rule's name and the key, as far as there are any."""
        words = []
        if len(path) > 1 and path[0] == 'rules':
            words.append(self._rule_name(path[1]))
            path = path[2:]
        if path:
            words.append('.'.join(str(item) for item in path))
        return ''.join(f'{word}: ' for word in words)

    def _rule_name(self, index: Any) -> str:
        rule = self.doc.data['rules'][index]
        name = rule.get('name') if isinstance(rule, dict) else None
        return f'rule {name!r}' if name else f'rule {index + 1}'


def _explain(error: jsonschema.ValidationError) -> str:
    """Return what is wrong and what would be right."""
    value = error.instance
    if isinstance(value, document.Unquoted):
        return f'put quotes around {value}'
    if error.validator == 'additionalProperties':
        allowed = sorted(error.schema.get('properties', {}))
        unknown = sorted(set(value) - set(allowed))
        return f'unknown key {unknown[0]!r}; known: {", ".join(allowed)}'
    if error.validator == 'required':
        missing = [key for key in error.validator_value if key not in value]
        return f'key {missing[0]!r} is missing'
    if error.validator == 'enum':
        return f'must be {" or ".join(map(repr, error.validator_value))}'
    if error.validator == 'oneOf':
        return f'{_kind(value)} is not allowed here'
    return error.message


def _kind(value: Any) -> str:
    names = {dict: 'a mapping', list: 'a list', str: repr(value)}
    return names.get(type(value), 'nothing')
