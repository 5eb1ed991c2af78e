# SPDX-License-Identifier: Apache-2.0
"""Where the instances of hosts can go before a maintenance. Pure.

Each instance is answered alone, as for "target list" and "stranded instance
list", and then all together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
import dataclasses

from nova_mdev_compat.core import matching
from nova_mdev_compat.core.offer import Offer
from nova_mdev_compat.fleet import acceptance
from nova_mdev_compat.fleet import assignment
from nova_mdev_compat.fleet.instances import Instance
from nova_mdev_compat.fleet import model
from nova_mdev_compat.fleet import stranded
from nova_mdev_compat.fleet.targets import Standing
from nova_mdev_compat.fleet.targets import TargetHost

DRAINED = 'it is to be drained, too'
#: For an instance that could go alone, and has no place beside the others.
TAKEN = 'other instances of these hosts need the free capacity'


@dataclasses.dataclass(frozen=True)
class Departure:
    """An instance that has to leave its host.

    :ivar now: hosts that could take it now, if it were the only one, with
        their devices
    :ivar full: names of hosts that accept it and have no free capacity
    :ivar assigned: name of its host where all leave at once, empty if there
        is none
    :ivar because: why it cannot leave, in an operator's words
    """

    instance: Instance
    now: tuple[TargetHost, ...]
    full: tuple[str, ...]
    assigned: str
    because: str


@dataclasses.dataclass(frozen=True)
class Drain:
    """What is known of all instances that have to leave.

    :ivar proven: if not all are assigned, that there is no room for all
    """

    departures: tuple[Departure, ...]
    proven: bool

    @property
    def possible(self) -> bool:
        """Whether all can leave now, at once."""
        return all(one.assigned for one in self.departures)


def check(
    cloud: model.Cloud,
    names: Collection[str],
    instances: Sequence[Instance],
    free: stranded.Free,
    unavailable: Mapping[str, str],
) -> Drain:
    """Return where the instances of hosts can go.

    :param names: of the hosts, which are not targets
    :param instances: all with vGPUs on these, each once; of those that are
        alike, the first get the places that there are
    :param free: of all parents, as far as the sum of what instances need
    :param unavailable: why hosts cannot take any instance now, as a clause
        after "accepts, but", by UUID
    """
    closed = {
        **unavailable,
        **{host.uuid: DRAINED for host in cloud.hosts if host.name in names},
    }
    grouped = stranded.by_offers(cloud)
    hosts = {host.name: host for host in cloud.hosts}
    # Instances with equal needs have one answer: none of their hosts is a
    # target.
    found = {
        needs: _Answer.of(
            _with_devices(answer, hosts[answer.host], needs, free)
            for answer in stranded.answers(grouped, needs, free, closed)
        )
        for needs in {one.needs for one in instances}
        if needs is not None
    }
    # Whoever can go nowhere takes no room from the others.
    movable = [one for one in instances if one.needs and found[one.needs].now]
    assigned = assignment.assign(
        [
            host
            for host in cloud.hosts
            if host.parents
            and not host.unpublished
            and host.uuid not in closed
        ],
        movable,
        free,
    )
    nothing = _Answer((), (), ())
    return Drain(
        tuple(
            _departure(
                one,
                found[one.needs] if one.needs is not None else nothing,
                assigned.hosts.get(one.uuid, ''),
            )
            for one in instances
        ),
        assigned.proven or len(movable) < len(instances),
    )


@dataclasses.dataclass(frozen=True)
class _Answer:
    """What hosts are for instances: all, those that could, those full."""

    hosts: tuple[TargetHost, ...]
    now: tuple[TargetHost, ...]
    full: tuple[str, ...]

    @classmethod
    def of(cls, hosts: Iterable[TargetHost]) -> '_Answer':
        ordered = tuple(sorted(hosts, key=lambda one: one.host))
        return cls(
            ordered,
            tuple(
                one for one in ordered if one.standing is Standing.COMPATIBLE
            ),
            tuple(
                one.host
                for one in ordered
                if one.because == (matching.NO_CAPACITY,)
            ),
        )


def _departure(
    instance: Instance, answer: _Answer, assigned: str
) -> Departure:
    because = ''
    if not assigned:
        because = TAKEN
        if not answer.now:
            because = stranded.because(
                instance,
                [
                    one
                    for one in answer.hosts
                    if one.host != instance.host.name
                ],
            )
    return Departure(instance, answer.now, answer.full, assigned, because)


def _with_devices(
    answer: TargetHost,
    host: model.Host,
    needs: acceptance.Needs,
    free: stranded.Free,
) -> TargetHost:
    """Return a host with the devices that could take some of an instance."""
    if answer.standing is not Standing.COMPATIBLE:
        return answer
    return dataclasses.replace(
        answer,
        devices=tuple(
            parent.name
            for parent in host.parents
            if any(
                free.get(need.resource_class, {}).get(parent.uuid, 0)
                >= need.amounts[-1]
                and acceptance.accepts(Offer.of(parent.traits), need)
                for need in needs
            )
        ),
    )
