# SPDX-License-Identifier: Apache-2.0
"""All orders and all migrations of a small cloud, instance by instance.

Nothing here is shared with what it checks: the rule by which Nova's scheduler
and our filter let an instance move is written out once more.
"""

import itertools


def accepts(target, sources):
    """Return whether a target accepts all mdevs of one type."""
    return all(
        any(
            pattern.judge(source) for pattern in target.traits.accepts.values()
        )
        for source in sources
    )


class World:
    """Hosts by number and instances by number.

    A place of an instance is a host and, for each of its mdevs, the index of
    a device there.

    :ivar todo: hosts to upgrade
    :ivar amounts: by instance, the amount of each of its mdevs
    :ivar start: by instance, its place
    """

    def __init__(self, scenario, instances, free):
        self._scenario = scenario
        self.hosts = [host for host in scenario.cloud.hosts if host.parents]
        self._after = [scenario.after.get(host.uuid) for host in self.hosts]
        self.todo = frozenset(
            number for number, after in enumerate(self._after) if after
        )
        uuids = [host.uuid for host in self.hosts]
        self.start = tuple(
            (
                uuids.index(one.host.uuid),
                tuple(
                    one.host.parents.index(parent)
                    for parent, _, _ in one.mdevs
                ),
            )
            for one in instances
        )
        self.amounts = [
            tuple(amount for *_, amount in one.mdevs) for one in instances
        ]
        #: What each device has, the mdevs of these instances included.
        self._total = {
            (number, index): free.get(parent.uuid, 0)
            for number, host in enumerate(self.hosts)
            for index, parent in enumerate(host.parents)
        }
        for (number, held), amounts in zip(
            self.start, self.amounts, strict=True
        ):
            for index, amount in zip(held, amounts, strict=True):
                self._total[number, index] += amount
        self._landings = {}

    def host(self, number, upgraded):
        return (self._after if number in upgraded else self.hosts)[number]

    def landings(self, place, upgraded):
        """Return where an instance is accepted, whether it has room or not."""
        key = place, upgraded
        if key not in self._landings:
            number, held = place
            here = self.host(number, upgraded)
            sources = [
                here.parents[index].traits.identities() for index in held
            ]
            self._landings[key] = [
                (other, there)
                for other in range(len(self.hosts))
                if other != number and self.hosts[other].published
                for there in itertools.product(
                    *(
                        [
                            index
                            for index, parent in enumerate(
                                self.host(other, upgraded).parents
                            )
                            if self._takes(parent, some, sources)
                        ]
                        for some in sources
                    )
                )
            ]
        return self._landings[key]

    def _takes(self, target, mdev, sources):
        """Return whether a device takes one mdev of an instance.

        Nova pairs mdevs by the names of their types only: any of the same
        type could land there.

        :param mdev: what its device is, one for each type that it may have
        :param sources: the same of all mdevs of the instance
        """
        types = {one.type for one in mdev} & target.traits.types
        return all(sources) and any(
            accepts(
                target,
                [one for some in sources for one in some if one.type == name],
            )
            for name in types
        )

    def must_leave(self, place):
        number, held = place
        host = self.hosts[number]
        return any(
            self._scenario.changes(host, host.parents[index]) for index in held
        )

    def has_room(self, places):
        """Return whether no device has more mdevs than it can have."""
        left = dict(self._total)
        for place, amounts in zip(places, self.amounts, strict=True):
            if place:
                for index, amount in zip(place[1], amounts, strict=True):
                    left[place[0], index] -= amount
        return min(left.values()) >= 0

    def stranded(self, places, upgraded):
        """Return the instances that no other host accepts."""
        return {
            number
            for number, place in enumerate(places)
            if place and not self.landings(place, upgraded)
        }

    def exists(self):
        """Return whether some order strands nobody.

        Instances that are stranded at first may be stopped when their host
        is upgraded.
        """
        self._excused = self.stranded(self.start, frozenset())
        self._failed = set()
        return self._exists(self.start, frozenset())

    def _key(self, places):
        """Return the same for instances that are interchangeable."""
        return tuple(
            sorted(
                (place or (-1, ()), amounts)
                for place, amounts in zip(places, self.amounts, strict=True)
            )
        )

    def _exists(self, places, upgraded):
        if upgraded == self.todo:
            return True
        seen = {self._key(places)}
        todo = [places]
        for here in todo:  # which grows meanwhile
            if (self._key(here), upgraded) in self._failed:
                return False
            for host in self.todo - upgraded:
                after = self._upgraded(here, upgraded, host)
                if after and self._exists(after, upgraded | {host}):
                    return True
            new = {
                self._key(moved): moved
                for moved in self._moved(here, upgraded)
            }
            todo += [moved for key, moved in new.items() if key not in seen]
            seen |= new.keys()
        self._failed |= {(key, upgraded) for key in seen}
        return False

    def _moved(self, places, upgraded):
        """Yield where instances can be after one migration."""
        for number, place in enumerate(places):
            for landed in (place and self.landings(place, upgraded)) or ():
                moved = (*places[:number], landed, *places[number + 1 :])
                if self.has_room(moved):
                    yield moved

    def _upgraded(self, places, upgraded, host):
        """Return where instances are after an upgrade, None if it is bad."""
        after = list(places)
        for number, place in enumerate(places):
            if place and place[0] == host and self.must_leave(place):
                if number not in self._excused:
                    return None
                after[number] = None
        bad = self.stranded(after, upgraded | {host}) - self._excused
        return None if bad else tuple(after)
