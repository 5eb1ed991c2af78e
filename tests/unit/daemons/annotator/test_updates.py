# SPDX-License-Identifier: Apache-2.0
"""What is written about a domain's mdevs, whatever is known."""

import dataclasses

import ddt
import hypothesis
from hypothesis import strategies as st
import testtools

from nova_mdev_compat.core import identity as ident
from nova_mdev_compat.core import traits
from nova_mdev_compat.daemons import updates
from nova_mdev_compat.host import sysfs
from nova_mdev_compat.late_check import domain_xml
from nova_mdev_compat.publication import devices_file
from tests.unit.daemons.annotator import base
from tests.unit import samples
from tests.unit import strategies

A, B = '11111111-1111-4111-8111-111111111111', 'b' * 36
GPU, OTHER = 'pci_0000_84_00_0', 'pci_0000_85_00_0'
PLACE = sysfs.DeviceLocation(GPU, 'nvidia-558')
OLD = samples.with_facts(driver='535.54.03')
BOTH = ('live', 'config')
HERE = 'gpu-1'


DEVICES = devices_file.DevicesFile(
    'gpu-1', 0.0, {GPU: base.device(samples.A16)}
)


def mdev(uuid, identity=samples.A16):
    return domain_xml.AnnotatedDevice(uuid, identity)


def seen(uuids, live=None, config=None, persistent=True, host=HERE):
    """Return a domain, annotated on a host."""

    def state(annotated):
        return domain_xml.Domain(
            uuids, annotated, host='' if annotated is None else host
        )

    return updates.DomainState(
        'vm', 'an-uuid', state(live), state(config) if persistent else None
    )


def keep(found, places=None, devices=DEVICES):
    uuids = found.live.uuids if found.live else ()
    return updates.plan_update(
        found,
        {uuid: (places or {}).get(uuid, PLACE) for uuid in uuids},
        devices,
        HERE,
    )


def annotation(plan):
    return tuple(entry.device for entry in plan.entries)


@ddt.ddt
class KnownTest(testtools.TestCase):
    @ddt.data(
        ((A,), None, None, 'write', BOTH),
        ((A,), (mdev(A),), (mdev(A),), 'none', ()),
        # Stripped off one of them.
        ((A,), (mdev(A),), None, 'write', ('config',)),
        ((A,), None, (mdev(A),), 'write', ('live',)),
        # The collector found another device; an arrival; hot-plug, hot-unplug.
        ((A,), (mdev(A, OLD),), (mdev(A),), 'write', ('live',)),
        ((A,), (mdev(B),), (mdev(B),), 'write', BOTH),
        ((A, B), (mdev(A),), (mdev(A),), 'write', BOTH),
        ((A,), (mdev(A), mdev(B)), (mdev(A), mdev(B)), 'write', BOTH),
        # What was unknown is known now.
        ((A,), (mdev(A, None),), (mdev(A, None),), 'write', BOTH),
        # The last one is gone; there never was one.
        ((), (mdev(A),), (mdev(A),), 'remove', BOTH),
        ((), None, (mdev(A),), 'remove', ('config',)),
        ((), (), None, 'remove', ('live',)),
        ((), None, None, 'none', ()),
    )
    @ddt.unpack
    def test_domain(self, uuids, live, config, action, where):
        plan = keep(seen(uuids, live, config))
        self.assertEqual((action, where), (plan.action, plan.where))
        self.assertEqual(tuple(map(mdev, uuids)), annotation(plan))
        self.assertEqual('', ''.join(item.why for item in plan.entries))

    def test_transient(self):
        self.assertEqual(('live',), keep(seen((A,), persistent=False)).where)

    def test_arrived(self):
        """An annotation of another host for the same UUIDs is replaced."""
        plan = keep(seen((A,), (mdev(A),), (mdev(A),), host='gpu-2'))
        self.assertEqual(BOTH, plan.where)
        self.assertIn('host="gpu-1"', plan.element())

    def test_not_running(self):
        """The annotation of a stopped domain is corrected when it starts."""
        found = updates.DomainState(
            'vm', 'an-uuid', None, domain_xml.Domain((A,), (mdev(B),))
        )
        self.assertEqual('none', keep(found).action)

    def test_unreadable_annotation(self):
        found = dataclasses.replace(
            seen((A,), None, (mdev(A),)),
            live=domain_xml.Domain((A,), None, 'it is invalid'),
        )
        self.assertEqual(('live',), keep(found).where)

    def test_several_devices(self):
        """Each mdev has the identity of its own parent and type."""
        other = ident.Identity.of('10DE_20B5', 'nvidia-468', {'ecc': 'on'})
        devices = dataclasses.replace(
            DEVICES, devices={**DEVICES.devices, OTHER: base.device(other)}
        )
        plan = keep(
            seen((B, A)),
            {B: sysfs.DeviceLocation(OTHER, 'nvidia-468')},
            devices,
        )
        self.assertEqual((mdev(B, other), mdev(A)), annotation(plan))

    def test_type_that_is_only_in_use(self):
        """The mdev's own type counts, not what the device serves now."""
        plan = keep(seen((A,)), {A: sysfs.DeviceLocation(GPU, 'nvidia-556')})
        self.assertEqual('NVIDIA_556', annotation(plan)[0].identity.type)

    def test_drop(self):
        plan = updates.plan_removal(seen((A,), (mdev(A),), None))
        self.assertEqual(
            ('remove', ('live',), None),
            (plan.action, plan.where, plan.element()),
        )


@ddt.ddt
class UnknownTest(testtools.TestCase):
    """Nothing is guessed, and nothing is erased."""

    CASES = (
        ({}, 'devices.json is not there', 'devices.json is not there'),
        ({A: 'it is not in /sys'}, DEVICES, 'it is not in /sys'),
        (
            {A: sysfs.DeviceLocation(OTHER, 'nvidia-558')},
            DEVICES,
            f'nova-mdev-collector has not found {OTHER}',
        ),
        ({A: sysfs.DeviceLocation(GPU, '-')}, DEVICES, "its type: '-'"),
        *(
            (
                {},
                devices_file.DevicesFile('gpu-1', 0.0, {GPU: found}),
                f'what is known of {GPU} is incomplete',
            )
            for found in (
                devices_file.DeviceEntry(frozenset(), {}),
                base.device(samples.A16, traits.PARENT + '10DE_2236'),
                base.device(samples.A16, traits.FACT + 'ECC_OFF'),
                base.device(samples.A16, traits.PREFIX + 'WHATEVER'),
                # No device has this id, and it would not read back.
                base.device(
                    dataclasses.replace(samples.A16, parent='MTTY_ANY')
                ),
            )
        ),
    )

    @ddt.data(*CASES)
    @ddt.unpack
    def test_one_mdev(self, places, devices, why):
        """It is written as unknown, unless the annotation is about it."""
        unknown = (mdev(A, None),)
        for present, expected, action in (
            *(
                (present, unknown, 'write')
                for present in (None, (mdev(B),), (mdev(A), mdev(B)), ())
            ),
            ((mdev(A, OLD),), (mdev(A, OLD),), 'none'),
            (unknown, unknown, 'none'),
        ):
            plan = keep(seen((A,), present, present), places, devices)
            self.assertEqual(expected, annotation(plan))
            self.assertIn(why, plan.entries[0].why)
            self.assertEqual(action, plan.action)

    def test_one_of_two(self):
        """The other one keeps its annotation."""
        present = (mdev(A, OLD), mdev(B, OLD))
        plan = keep(seen((A, B), present, present), {B: 'gone'})
        self.assertEqual((mdev(A), mdev(B, OLD)), annotation(plan))

    @ddt.named_data(
        ('of_other_mdevs', seen((A, B), (mdev(A),))),
        ('of_another_host', seen((A,), (mdev(A),), host='gpu-2')),
        ('only_in_the_configuration', seen((A,), None, (mdev(A),))),
    )
    def test_annotation_that_does_not_apply(self, domain):
        plan = keep(domain, {}, 'no file')
        self.assertEqual(
            tuple(mdev(uuid, None) for uuid in domain.live.uuids),
            annotation(plan),
        )
        self.assertEqual('write', plan.action)


places = st.one_of(
    st.just('gone'),
    st.builds(
        sysfs.DeviceLocation,
        st.sampled_from([GPU, OTHER, 'x']),
        st.sampled_from(['nvidia-558', '-']),
    ),
)
devices = st.one_of(
    st.just('no file'),
    st.dictionaries(
        st.sampled_from([GPU, OTHER]),
        st.builds(base.device, strategies.identities),
    ).map(lambda found: devices_file.DevicesFile('gpu-1', 0.0, found)),
)
present = st.one_of(
    st.none(),
    st.lists(
        st.builds(
            domain_xml.AnnotatedDevice,
            st.sampled_from([A, B]),
            st.one_of(st.none(), strategies.identities),
        ),
        max_size=3,
    ).map(tuple),
)


class SettledTest(testtools.TestCase):
    @hypothesis.given(
        st.sampled_from([(), (A,), (A, B)]),
        present,
        present,
        st.sampled_from(['', HERE, 'gpu-2']),
        st.fixed_dictionaries({A: places, B: places}),
        devices,
    )
    def test_one_write(self, uuids, live, config, host, where, found):
        """A written annotation needs no write, as long as nothing changes.

        Otherwise the event of writing would be a reason to write.
        """
        domain = seen(uuids, live, config, host=host)
        plan = updates.plan_update(domain, where, found, HERE)
        element = plan.element() or ''
        text = f'<domain><metadata>{element}</metadata></domain>'
        written = dataclasses.replace(
            domain_xml.parse(text.encode()), uuids=uuids
        )
        now = dict.fromkeys(plan.where, written)
        after = updates.plan_update(
            dataclasses.replace(domain, **now), where, found, HERE
        )
        self.assertEqual(
            ('none', annotation(plan)), (after.action, annotation(after))
        )
