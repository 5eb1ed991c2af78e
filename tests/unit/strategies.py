# SPDX-License-Identifier: Apache-2.0
"""What the property tests draw from."""

import string

from hypothesis import strategies as st

from nova_mdev_compat import identity as ident
from nova_mdev_compat import pattern as pat
from nova_mdev_compat.rules import model

_LETTERS = string.ascii_uppercase + string.digits

#: Canonical values, with words among them that an operator has as well.
any_words = st.one_of(st.text(_LETTERS, min_size=1, max_size=8),
                      st.sampled_from([op.name for op in pat.Op]))
any_values = st.lists(any_words, min_size=1, max_size=5).map('_'.join)

#: Canonical values that a trait can carry.
words = st.text(_LETTERS, min_size=1, max_size=6).filter(
    lambda word: word not in pat.Op.__members__)
values = st.lists(words, min_size=1, max_size=3).map('_'.join)

_numbers = st.integers(min_value=0, max_value=999).map(str)
_parts = st.one_of(_numbers, st.sampled_from(
    ['0', 'RC1', 'RC', '1RC2', 'BETA', 'EL9', 'X86_64', 'GENERIC', 'FC40']))
#: Canonical versions: drivers' and kernels'.
versions = st.builds(lambda first, more: '_'.join([first, *more]),
                     _numbers, st.lists(_parts, max_size=5))

_hex = st.text('0123456789ABCDEF', min_size=4, max_size=4)
vendors = st.sampled_from(['10DE', '8086', '1B36'])
pci_parents = st.builds('{}_{}'.format, vendors, _hex)
parents = st.one_of(pci_parents, st.sampled_from(['MTTY', 'MDPY']))
types = st.one_of(st.sampled_from(['NVIDIA_558', 'MTTY_2']), words).filter(
    lambda text: text != pat.ANY)

fact_names = st.one_of(
    st.sampled_from(['driver', 'kernel', 'ecc', 'os']),
    st.from_regex(r'[a-z][a-z0-9]{0,5}', fullmatch=True))
version_ops = st.sampled_from(sorted(pat.OPS, key=lambda op: op.name))


def conditions(values_of_tokens):
    """Return conditions; tokens' values come from the strategy given."""
    return st.one_of(
        st.builds(pat.Condition, fact_names, version_ops, versions),
        st.builds(pat.Condition, fact_names, st.just(pat.Op.IS),
                  values_of_tokens))


def patterns(token_values=values, max_conditions=4):
    return st.builds(
        pat.Pattern,
        st.one_of(parents, vendors.map('{}_ANY'.format)),
        st.one_of(types, st.just(pat.ANY)),
        st.lists(conditions(token_values), max_size=max_conditions).map(tuple))


_fact_values = st.one_of(versions, values)
identities = st.builds(
    ident.Identity, parents, types,
    st.dictionaries(fact_names, _fact_values, max_size=5).map(
        lambda facts: frozenset(facts.items())))

_operands = st.one_of(
    st.builds(model.Operand, version_ops,
              st.one_of(versions, st.just(model.SAME))),
    st.builds(model.Operand, st.just(pat.Op.IS),
              st.one_of(values, st.just(model.SAME))))
_alternatives = st.lists(
    st.lists(_operands, min_size=1, max_size=2).map(tuple),
    min_size=1, max_size=2).map(tuple)
_facts = st.dictionaries(fact_names, _alternatives, max_size=2)


def _some(one):
    return st.one_of(st.none(), st.frozensets(one, min_size=1, max_size=3))


def _same_any_or(one):
    return st.one_of(
        st.sampled_from([(model.SAME,), (model.ANY,)]),
        st.lists(one, min_size=1, max_size=3, unique=True).map(tuple))


rules = st.builds(
    model.Rule, st.text(min_size=1, max_size=5), st.just('rules.yaml:1'),
    st.builds(model.Target, _some(pci_parents), _some(types)),
    st.builds(model.Accepts, _same_any_or(pci_parents), _same_any_or(types),
              _facts))
