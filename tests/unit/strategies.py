# SPDX-License-Identifier: Apache-2.0
"""What the property tests draw from."""

import dataclasses
import itertools
import string

from hypothesis import strategies as st

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import pattern
from nova_mdev_compat.rules import model
from tests.unit import samples

_LETTERS = string.ascii_uppercase + string.digits

#: Canonical values, with words among them that an operator has as well.
any_words = st.one_of(
    st.text(_LETTERS, min_size=1, max_size=8),
    st.sampled_from([op.name for op in pattern.Op]),
)
any_values = st.lists(any_words, min_size=1, max_size=5).map('_'.join)

#: Canonical values that a trait can carry.
words = st.text(_LETTERS, min_size=1, max_size=6).filter(
    lambda word: word not in pattern.Op.__members__
)
values = st.lists(words, min_size=1, max_size=3).map('_'.join)

_numbers = st.integers(min_value=0, max_value=999).map(str)
_parts = st.one_of(
    _numbers,
    st.sampled_from(
        ['0', 'RC1', 'RC', '1RC2', 'BETA', 'EL9', 'X86_64', 'GENERIC', 'FC40']
    ),
)
#: Canonical versions: drivers' and kernels'.
versions = st.builds(
    lambda first, more: '_'.join([first, *more]),
    _numbers,
    st.lists(_parts, max_size=5),
)

_hex = st.text('0123456789ABCDEF', min_size=4, max_size=4)
vendors = st.sampled_from(['10DE', '8086', '1B36'])
pci_parents = st.builds('{}_{}'.format, vendors, _hex)
parents = st.one_of(pci_parents, st.sampled_from(['MTTY', 'MDPY']))
types = st.one_of(st.sampled_from(['NVIDIA_558', 'MTTY_2']), words).filter(
    lambda text: text != pattern.ANY
)

fact_names = st.one_of(
    st.sampled_from(['driver', 'kernel', 'ecc', 'os']),
    st.from_regex(r'[a-z][a-z0-9]{0,5}', fullmatch=True),
)
version_ops = st.sampled_from(sorted(pattern.OPS, key=lambda op: op.name))


def conditions(values_of_tokens):
    """Return conditions; tokens' values come from the strategy given."""
    return st.one_of(
        st.builds(pattern.Condition, fact_names, version_ops, versions),
        st.builds(
            pattern.Condition,
            fact_names,
            st.just(pattern.Op.IS),
            values_of_tokens,
        ),
    )


def patterns(token_values=values, max_conditions=4):
    return st.builds(
        pattern.Pattern,
        st.one_of(parents, vendors.map('{}_ANY'.format)),
        st.one_of(types, st.just(pattern.ANY)),
        st.lists(conditions(token_values), max_size=max_conditions).map(tuple),
    )


_fact_values = st.one_of(versions, values)
identities = st.builds(
    identity.Identity,
    parents,
    types,
    st.dictionaries(fact_names, _fact_values, max_size=5).map(
        lambda facts: frozenset(facts.items())
    ),
)

_operands = st.one_of(
    st.builds(
        model.Operand, version_ops, st.one_of(versions, st.just(model.SAME))
    ),
    st.builds(
        model.Operand,
        st.just(pattern.Op.IS),
        st.one_of(values, st.just(model.SAME)),
    ),
)
_alternatives = st.lists(
    st.lists(_operands, min_size=1, max_size=2).map(tuple),
    min_size=1,
    max_size=2,
).map(tuple)
_facts = st.dictionaries(fact_names, _alternatives, max_size=2)


def _some(one):
    return st.one_of(st.none(), st.frozensets(one, min_size=1, max_size=3))


def _same_any_or(one):
    return st.one_of(
        st.sampled_from([(model.SAME,), (model.ANY,)]),
        st.lists(one, min_size=1, max_size=3, unique=True).map(tuple),
    )


rules = st.builds(
    model.Rule,
    st.text(min_size=1, max_size=5),
    st.just('rules.yaml:1'),
    st.builds(model.Target, _some(pci_parents), _some(types)),
    st.builds(
        model.Accepts, _same_any_or(pci_parents), _same_any_or(types), _facts
    ),
)

# Rules of one vendor and devices that have few products, types and values
# among them, so that they often have to do with each other.
few_products = st.sampled_from(['10DE_2235', '10DE_2236', '10DE_20B5'])
few_types = st.sampled_from(['NVIDIA_557', 'NVIDIA_558', 'NVIDIA_559'])
FEW_FACTS = {
    'driver': ['535', '535_0', '535_54', '550_RC1', '550'],
    'ecc': ['ON', 'OFF', 'N_A'],
}
#: All that such devices can have for facts.
NEAR_FACTS = [
    [
        (name, value)
        for name, value in zip(FEW_FACTS, found, strict=True)
        if value
    ]
    for found in itertools.product(
        *([None, *some, '1', '999', 'N_A'] for some in FEW_FACTS.values())
    )
]


def _near(products, types):
    return st.builds(
        identity.Identity,
        products,
        types,
        st.sampled_from(NEAR_FACTS).map(frozenset),
    )


near_identities = _near(few_products, few_types)


def targets_of(rule):
    """Return near targets of the products and types that a rule names."""
    target = rule.target
    return _near(
        *(
            one if some is None else st.sampled_from(sorted(some))
            for some, one in [
                (target.products, few_products),
                (target.types, few_types),
            ]
        )
    )


def near_sources(own):
    """Return sources like a target, and some that are not; all facts."""
    other = dataclasses.replace(own, parent='10DE_20B5', type='NVIDIA_559')
    return [
        dataclasses.replace(home, facts=frozenset(facts))
        for home in (own, other)
        for facts in NEAR_FACTS
    ]


def _near_operands(name, same):
    ops = (
        version_ops
        if identity.is_version_fact(name)
        else st.just(pattern.Op.IS)
    )
    return st.builds(
        model.Operand,
        ops,
        st.sampled_from([*FEW_FACTS[name], *([model.SAME] * 3 * same)]),
    )


def _near_alternatives(name, same):
    alternative = st.lists(
        _near_operands(name, same),
        min_size=1,
        max_size=2 if identity.is_version_fact(name) else 1,
    )
    return st.lists(alternative.map(tuple), min_size=1, max_size=2).map(tuple)


def _near_facts(same):
    return st.fixed_dictionaries(
        {},
        optional={name: _near_alternatives(name, same) for name in FEW_FACTS},
    )


near_rules = st.builds(
    model.Rule,
    st.just('near'),
    st.just('rules.yaml:1'),
    st.builds(
        model.Target,
        _some(few_products),
        _some(few_types),
        _near_facts(same=False),
    ),
    st.builds(
        model.Accepts,
        _same_any_or(few_products),
        _same_any_or(few_types),
        _near_facts(same=True),
    ),
)

_TIGHTER = {pattern.Op.GE: pattern.Op.GT, pattern.Op.LE: pattern.Op.LT}


@st.composite
def tightened(draw, rule):
    """Draw a rule that accepts nothing but what a near one accepts."""
    target, accepts = rule.target, rule.accepts
    return model.Rule(
        'tightened',
        'rules.yaml:2',
        model.Target(
            draw(_fewer(target.products, few_products)),
            draw(_fewer(target.types, few_types)),
            draw(_tighter_facts(target.facts, same=False)),
        ),
        model.Accepts(
            draw(_fewer_words(accepts.products, few_products)),
            draw(_fewer_words(accepts.types, few_types)),
            draw(_tighter_facts(accepts.facts, same=True)),
        ),
    )


def _fewer(some, one):
    if some is None:
        return _some(one)
    return st.frozensets(st.sampled_from(sorted(some)), min_size=1)


def _fewer_words(some, one):
    if some == (model.ANY,):
        return _same_any_or(one)
    return _part_of(some)


def _part_of(some):
    return st.lists(st.sampled_from(some), min_size=1, unique=True).map(tuple)


@st.composite
def _tighter_facts(draw, facts, same):
    more = draw(_near_facts(same))
    return {
        **more,
        **{name: draw(_tighter(name, facts[name], same)) for name in facts},
    }


@st.composite
def _tighter(draw, name, alternatives, same):
    result = []
    for operands in draw(_part_of(alternatives)):
        more = draw(st.lists(_near_operands(name, same), max_size=1))
        result.append(
            (*(draw(_tighter_operand(one)) for one in operands), *more)
        )
    # The own value still has to be known where it had to be.
    if _names_same(alternatives) and not _names_same(result):
        return alternatives
    return tuple(result)


def _tighter_operand(one):
    op = _TIGHTER.get(one.op, one.op)
    return st.sampled_from([one, model.Operand(op, one.value)])


def _names_same(alternatives):
    return any(
        operand.value == model.SAME
        for operands in alternatives
        for operand in operands
    )


def _lines(path):
    return path.read_text('utf-8').splitlines(keepends=True)


_rule_files = [
    _lines(path)
    for directory in (
        samples.GOOD_RULES,
        samples.BAD_RULES,
        samples.SHIPPED_RULES,
    )
    for path in sorted(directory.glob('*.yaml'))
    if path.stem not in ('not_utf8', 'utf16')
]
_scraps = st.one_of(
    st.sampled_from(
        [
            '- ',
            '  ',
            '{',
            '}',
            '[',
            ']',
            ': ',
            ', ',
            '"',
            "'",
            '*',
            '&a ',
            '!x ',
            '# ',
            'same',
            'any',
            'on',
            '550.90',
            '"550"',
            'null',
            '\n',
            '? ',
            '| ',
            '\t',
            'facts: ',
            'except: ',
            'at_least: ',
            'GE',
        ]
    ),
    st.text(max_size=4),
)


@st.composite
def mutated_rule_files(draw):
    """Return rule files with lines moved and scraps put in."""
    lines = list(draw(st.sampled_from(_rule_files)))
    for _ in range(draw(st.integers(0, 4))):
        other = draw(st.sampled_from(_rule_files))
        index = draw(st.integers(0, len(lines)))
        action = draw(st.sampled_from(['drop', 'take', 'scrap']))
        if action == 'drop':
            del lines[index : index + 1]
        elif action == 'take' and other:
            lines.insert(index, draw(st.sampled_from(other)))
        elif lines:
            line = lines[min(index, len(lines) - 1)]
            place = draw(st.integers(0, len(line)))
            lines[min(index, len(lines) - 1)] = (
                line[:place] + draw(_scraps) + line[place:]
            )
    return ''.join(lines).encode('utf-8', 'surrogatepass')
