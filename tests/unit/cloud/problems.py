# SPDX-License-Identifier: Apache-2.0
"""Problems for the search for an order, drawn and by name."""

import collections
import dataclasses
import itertools

from hypothesis import strategies as st

from nova_mdev_compat.upgrade import problem as prob


@dataclasses.dataclass(frozen=True)
class Table:
    """Who can land where, and who need not leave.

    :ivar landings: stays by stay and profile
    :ivar keeps: stay and number of a kind
    """

    landings: dict
    keeps: frozenset = frozenset()

    def problem(self, kinds, groups):
        """Return a problem.

        :param kinds: profiles, old and new, the latter may be None
        :param groups: number of a kind, stays, and number of hosts
        """
        # Kinds are told apart here, even if they accept the same.
        return prob.Problem(
            tuple(
                prob.Kind(
                    (number, old), None if new is None else (number, new)
                )
                for number, (old, new) in enumerate(kinds)
            ),
            tuple(
                prob.Group(kind, frozenset(stays), size)
                for kind, stays, size in groups
            ),
            lambda stay, profile: self.landings.get((stay, profile[1]), ()),
            lambda stay, kind: (stay, kind.old[0]) not in self.keeps,
        )


def problems(hosts=5, sizes=None):
    """Return problems with somebody to move and something to upgrade.

    :param hosts: at most how many; or groups, where they have sizes
    :param sizes: of groups; by default 1 for each time that one is drawn
    """
    return st.one_of(_any_problems(hosts, sizes), _devices(hosts, sizes))


@st.composite
def _any_problems(draw, hosts, sizes):
    """Draw a problem of whatever kind."""
    profiles = range(draw(st.integers(2, 4)))
    stays = range(draw(st.integers(1, 3)))
    some = draw(st.sampled_from([1, 2, 3, 5]))
    table = Table(
        {
            place: tuple(
                stay for stay in stays if draw(st.integers(0, 9)) < some
            )
            for place in itertools.product(stays, profiles)
        },
        draw(
            st.frozensets(
                st.tuples(st.sampled_from(stays), st.integers(0, 2)),
                max_size=2,
            )
        ),
    )
    any_profile = st.sampled_from(profiles)
    kinds = draw(
        st.lists(
            st.tuples(
                any_profile,
                st.one_of(any_profile, any_profile, any_profile, st.none()),
            ),
            min_size=1,
            max_size=3,
        ).filter(lambda kinds: any(new is not None for _, new in kinds))
    )
    return table.problem(
        kinds, draw(_groups([stays] * len(kinds), hosts, sizes))
    )


@st.composite
def _devices(draw, hosts, sizes):
    """Draw a problem in which hosts have one device each, or two."""
    number = draw(st.integers(2, 3))
    old = [
        draw(st.sampled_from([(f'{one}0',), (f'{one}0', 'x')]))
        for one in range(number)
    ]
    new = [
        tuple(f'{name[0]}1' if name != 'x' else name for name in profile)
        for profile in old
    ]
    devices = sorted({name for profile in old + new for name in profile})
    some = draw(st.integers(2, 4))
    accepted = {
        (source, target)
        for source, target in itertools.product(devices, devices)
        if draw(st.integers(0, 9)) < some
    }
    table = Table(
        {
            (source, profile): [
                target for target in profile if (source, target) in accepted
            ]
            for source in devices
            for profile in old + new
        },
        frozenset({('x', kind) for kind in range(number)}),
    )
    return table.problem(
        list(zip(old, new, strict=True)), draw(_groups(old, hosts, sizes))
    )


@st.composite
def _groups(draw, stays, hosts, sizes):
    """Draw groups.

    :param stays: the possible ones, by number of a kind
    """
    drawn = collections.Counter(
        draw(
            st.lists(
                st.one_of(
                    *(
                        st.tuples(
                            st.just(kind), st.frozensets(st.sampled_from(some))
                        )
                        for kind, some in enumerate(stays)
                    )
                ),
                min_size=2,
                max_size=hosts,
            )
        )
    )
    return [
        (*group, size if sizes is None else draw(sizes))
        for group, size in drawn.items()
    ]
