# SPDX-License-Identifier: Apache-2.0
"""What vendors have published about live migration, as the shipped rules say.

Ids are those of real boards, from the list in the README of NVIDIA's open
kernel modules. The statements are quoted in the shipped rule files.
"""

import dataclasses
import re

import ddt
import testtools

from nova_mdev_compat.core import identity
from nova_mdev_compat.core import verdict
from nova_mdev_compat.fleet import recorded
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import lint
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model
from nova_mdev_compat.rules import parser
from nova_mdev_compat.vendors import manager as vendors
from nova_mdev_compat.vendors import nvidia
from tests.unit import samples

#: Product and subsystem ids.
BOARDS = {
    'A40': ('2235', '10de:145a'),
    'A100 SXM4 80 GB': ('20b2', '10de:1463'),
    'A100 SXM4 80 GB, other revision': ('20b2', '10de:147f'),
    'H100 PCIe 80 GB': ('2331', '10de:1626'),
    'H100 NVL 94 GB': ('2321', '10de:1839'),
    'H100 SXM': ('2330', '10de:16c1'),
    'H200': ('2335', '10de:18be'),
    'H800 PCIe': ('2322', '10de:17a4'),
    'H800': ('2324', '10de:17a6'),
}
HOST = {
    'module': 'nvidia',
    'driver': '550.90.05',
    'kernel': '5.14.0-427.el9',
    'os': 'rhel-9.4',
    'ecc': 'on',
    'mig': 'off',
}
#: The same type name everywhere, which is all that Nova compares.
TYPE = 'nvidia-1125'


def board(name, mdev_type=TYPE, **facts):
    """Return a board of this name, as a parent; None takes a fact away."""
    product, subsystem = BOARDS[name]
    merged = {**HOST, 'subsystem': subsystem, **facts}
    return samples.parent(
        parent_id=f'10DE_{product.upper()}',
        target_type=mdev_type,
        facts={
            fact: value for fact, value in merged.items() if value is not None
        },
    )


def gvtg(
    driver='1.23.4', product='591D', mdev_type='i915-GVTg_V5_4', module='i915'
):
    facts = {
        'module': module,
        'kernel': '6.1.0',
        'driver': driver,
        'intree': 'no' if driver else 'yes',
    }
    return samples.parent(
        parent_id=f'8086_{product}',
        target_type=mdev_type,
        facts={name: value for name, value in facts.items() if value},
    )


def mtty(kernel='6.12.0', mdev_type='mtty-2'):
    return samples.parent(
        parent_id='MTTY',
        target_type=mdev_type,
        facts={'module': 'mtty', 'kernel': kernel},
    )


def lab(product='1111', vendor='1234', mdev_type='lab-1', **facts):
    """Return a device of a vendor without a rule file; None takes a fact."""
    merged = {
        'module': 'labgpu',
        'driver': '1.2',
        'intree': 'no',
        'kernel': '6.1.0-18-amd64',
        'os': 'debian-12',
        **facts,
    }
    return samples.parent(
        parent_id=f'{vendor}_{product}',
        target_type=mdev_type,
        facts={name: value for name, value in merged.items() if value},
    )


def own(**facts):
    """Return one with a driver of the kernel's own tree."""
    return lab(**{'intree': 'yes', 'driver': None, **facts})


def idxd(**facts):
    """Return a data accelerator of Intel's, with its driver of the kernel."""
    return own(
        vendor='8086',
        product='0B25',
        mdev_type='idxd-dsa-1dwq-v1',
        **{'module': 'idxd', 'driver': '1.00', **facts},
    )


def vfio(vendor, product, module, **facts):
    """Return a board with virtual functions; None takes a fact away."""
    merged = {
        'framework': 'vfio',
        'module': module,
        'intree': 'yes',
        'kernel': '6.12.0-55.el10',
        'revision': '01',
        'subsystem': '8086:0001',
        **facts,
    }
    return samples.parent(
        parent_id=f'{vendor}_{product}',
        target_type=module,
        facts={name: value for name, value in merged.items() if value},
    )


def mlx5(**facts):
    """Return a ConnectX; all have functions of one product."""
    return vfio(
        '15B3',
        '101E',
        'mlx5_vfio_pci',
        **{'firmware': '28.41.1000', 'psid': 'MT_0000000838', **facts},
    )


def ofed(**facts):
    """Return a ConnectX with NVIDIA's own driver."""
    return mlx5(**{'intree': 'no', 'driver': '24.10', **facts})


def qat(product='4941', **facts):
    return vfio('8086', product, 'qat_vfio_pci', **facts)


def xe(product='E223', **facts):
    return vfio('8086', product, 'xe-vfio-pci', **facts)


SAME = 'compatible'

#: Source, target, and a part of the reason why not, or SAME.
CASES = [
    # NVIDIA: the same board, type, vGPU Manager, ECC, MIG mode and host OS.
    (board('A40'), board('A40'), SAME),
    (board('H100 PCIe 80 GB'), board('H100 PCIe 80 GB'), SAME),
    (board('H200', os='rhel-9.6'), board('H200', os='rhel-9.6'), SAME),
    (
        board('A40', ecc='unsupported', mig='unsupported'),
        board('A40', ecc='unsupported', mig='unsupported'),
        SAME,
    ),
    # What nobody compares: another kernel of the same release.
    (board('A40'), board('A40', kernel='5.14.0-427.13.1.el9_4'), SAME),
    # "not supported between 80 GB PCIe and 94 GB NVL variants".
    (
        board('H100 PCIe 80 GB'),
        board('H100 NVL 94 GB'),
        'device 10de:2331 is not 10de:2321',
    ),
    (
        board('H100 NVL 94 GB'),
        board('H100 PCIe 80 GB'),
        'device 10de:2321 is not 10de:2331',
    ),
    # "not supported between H200 / H800 / H100 GPU Boards".
    *[
        (board(one), board(other), 'device 10de:')
        for one in ('H100 SXM', 'H200', 'H800', 'H800 PCIe')
        for other in ('H100 SXM', 'H200', 'H800', 'H800 PCIe')
        if one != other
    ],
    (board('A40'), board('H100 SXM'), 'device 10de:2235 is not 10de:2330'),
    # Product ids are shared by variants; subsystem ids are not.
    (
        board('A100 SXM4 80 GB'),
        board('A100 SXM4 80 GB, other revision'),
        'subsystem 10de:1463 is not equal to 10de:147f',
    ),
    # The same type.
    (
        board('A40', 'nvidia-557'),
        board('A40', 'nvidia-558'),
        'does not serve type nvidia-557',
    ),
    # The vGPU Manager: on RHEL 9.4 by NVIDIA, on RHEL 10 by Red Hat; a later
    # release of the same branch is another one.
    (
        board('A40', driver='550.54.16'),
        board('A40'),
        'driver 550.54.16 is not version 550.90.05',
    ),
    (
        board('A40'),
        board('A40', driver='550.54.16'),
        'driver 550.90.05 is not version 550.54.16',
    ),
    (board('A40', driver='535.183.04'), board('A40'), 'driver 535.183.04'),
    (
        board('A40', os='rhel-10.0', driver='570.133.10'),
        board('A40', os='rhel-10.0', driver='570.124.03'),
        'driver 570.133.10',
    ),
    # The strictest statement, where sources disagree.
    (
        board('A40', os='rhel-9.6', driver='570.133.10'),
        board('A40', os='rhel-9.6', driver='570.158.01'),
        'driver 570.133.10',
    ),
    # ECC, MIG.
    (board('A40', ecc='off'), board('A40'), 'ecc off is not equal to on'),
    (board('A40'), board('A40', ecc='off'), 'ecc on is not equal to off'),
    (
        board('H100 SXM', mig='on'),
        board('H100 SXM'),
        'mig on is not equal to off',
    ),
    # "not supported between RHEL 10 and RHEL 9.4".
    (
        board('A40', os='rhel-10.0'),
        board('A40'),
        'os rhel-10.0 is not equal to rhel-9.4',
    ),
    (
        board('A40'),
        board('A40', os='rhel-10.0'),
        'os rhel-9.4 is not equal to rhel-10.0',
    ),
    # Nothing is published about these.
    (board('A40', os='rhel-9.6'), board('A40'), 'os rhel-9.6'),
    (board('A40', os='ubuntu-24.04'), board('A40'), 'os ubuntu-24.04'),
    # What is not known is not compatible.
    (board('A40'), board('A40', ecc=None), 'ecc of the target is unknown'),
    (board('A40', ecc=None), board('A40'), 'ecc of the source is unknown'),
    (
        board('A40', driver=None),
        board('A40', driver=None),
        'driver of the target is unknown',
    ),
    # The same rules for virtual functions, and never across frameworks.
    (board('A40', framework='vfio'), board('A40', framework='vfio'), SAME),
    (
        board('A40', framework='vfio', driver='550.54.16'),
        board('A40', framework='vfio'),
        'driver 550.54.16 is not version 550.90.05',
    ),
    (
        board('A40', 'nvidia-557', framework='vfio'),
        board('A40', framework='vfio'),
        'does not serve type nvidia-557',
    ),
    (
        board('A40', framework='vfio'),
        board('A40', framework='vfio', mig=None),
        'mig of the target is unknown',
    ),
    (
        board('A40'),
        board('A40', framework='vfio'),
        'framework mdev is not vfio',
    ),
    (
        board('A40', framework='vfio'),
        board('A40'),
        'framework vfio is not mdev',
    ),
    # mlx5: "The same PSID must be used …, and have the same firmware version".
    (mlx5(), mlx5(), SAME),
    (
        mlx5(psid='MT_0000000834'),
        mlx5(),
        'psid mt_0000000834 is not equal to mt_0000000838',
    ),
    (
        mlx5(firmware='28.39.1002'),
        mlx5(),
        'firmware 28.39.1002 is not version 28.41.1000',
    ),
    (
        mlx5(firmware=None),
        mlx5(firmware=None),
        'firmware of the target is unknown',
    ),
    (mlx5(firmware=None), mlx5(), 'firmware of the source is unknown'),
    (mlx5(), mlx5(firmware=None), 'firmware of the target is unknown'),
    (mlx5(psid=None), mlx5(psid=None), 'psid of the target is unknown'),
    # "Linux v6.7 or newer".
    (
        mlx5(kernel='6.6.0'),
        mlx5(kernel='6.6.0'),
        'kernel 6.6.0 is not at least 6.7',
    ),
    (mlx5(kernel='6.12.0-54.el10'), mlx5(), 'kernel 6.12.0.54.el10'),
    (ofed(), ofed(), SAME),
    (ofed(driver='24.7'), ofed(), 'driver 24.7 is not version 24.10'),
    (ofed(driver=None), ofed(driver=None), 'driver of the target is unknown'),
    (ofed(), mlx5(), 'intree no is not equal to yes'),
    (mlx5(intree=None), mlx5(intree=None), 'intree of the target is unknown'),
    # The vendor's other devices: the default.
    (
        lab(vendor='15B3', module='mlx5_core'),
        lab(vendor='15B3', module='mlx5_core'),
        SAME,
    ),
    # QAT: what the driver compares cannot be read, so the same model.
    (qat(), qat(), SAME),
    (qat('4943'), qat(), 'device 8086:4943 is not 8086:4941'),
    (qat(revision='02'), qat(), 'revision 02 is not equal to 01'),
    (qat(revision=None), qat(revision=None), 'revision of the target is'),
    (qat(kernel='6.13.0'), qat(), 'kernel 6.13.0 is not version 6.12.0'),
    (qat(intree='no', driver='1.2'), qat(intree='no', driver='1.2'), 'intree'),
    # Xe: "Aborting migration, devid mismatch", "revid mismatch".
    (xe(), xe(), SAME),
    (xe('E221'), xe(), 'device 8086:e221 is not 8086:e223'),
    (xe(revision='02'), xe(), 'revision 02 is not equal to 01'),
    (xe(subsystem='1849:6023'), xe(), 'subsystem 1849:6023'),
    (xe(kernel='6.19.0'), xe(), 'kernel 6.19.0 is not version 6.12.0'),
    (xe(), qat(), 'does not serve type xe'),
    # GVT-g: device, type and software version; the kernel's own i915 has no
    # version and cannot migrate.
    (gvtg(), gvtg(), SAME),
    (gvtg('1.23.3'), gvtg(), 'driver 1.23.3 is not version 1.23.4'),
    (gvtg(product='5912'), gvtg(), 'device 8086:5912 is not 8086:591d'),
    (gvtg(mdev_type='i915-GVTg_V5_8'), gvtg(), 'type i915-gvtg_v5_8'),
    (gvtg(None), gvtg(None), 'driver of the target is unknown'),
    # mtty: the ports are in the type; migratable since Linux 6.7.
    (mtty(), mtty(), SAME),
    (mtty(mdev_type='mtty-1'), mtty(), 'does not serve type mtty-1'),
    (mtty('6.11.9'), mtty(), 'kernel 6.11.9 is not version 6.12'),
    (mtty('6.6.9'), mtty('6.6.9'), 'kernel 6.6.9 is not at least 6.7'),
    # If it is unknown whether it is one of GVT-g's, the milder default does
    # not apply.
    (gvtg(module=None), gvtg(module=None), 'module of the target is unknown'),
    # Intel's other devices: the default.
    (idxd(), idxd(), SAME),
    (
        idxd(kernel='6.1.0-17-amd64'),
        idxd(),
        'kernel 6.1.0.17.amd64 is not version 6.1.0.18.amd64',
    ),
    (gvtg(), gvtg(module='xe'), 'module i915 is not equal to xe'),
    # The rest of the world: vendor, product and type, as proposed in 2018,
    # and the same driver: here of the same version.
    (lab(), lab(), SAME),
    (lab(), lab(kernel='6.12.0', os='rhel-9.6'), SAME),
    (lab('2222'), lab(), 'device 1234:2222 is not 1234:1111'),
    (lab(mdev_type='lab-2'), lab(), 'does not serve type lab-2'),
    (lab(driver='1.1'), lab(), 'driver 1.1 is not version 1.2'),
    (lab(), lab(driver='1.1'), 'driver 1.2 is not version 1.1'),
    (
        lab(module='labgpu_ng'),
        lab(),
        'module labgpu_ng is not equal to labgpu',
    ),
    (lab(), mtty(), 'of another vendor'),
    # A module of the kernel's own tree: of the same kernel, whatever version
    # it may declare.
    (own(), own(), SAME),
    (own(driver='1.00'), own(driver='1.00', os='debian-13'), SAME),
    (
        own(driver='1.00', kernel='6.12.0'),
        own(driver='1.00'),
        'kernel 6.12.0 is not version 6.1.0.18.amd64',
    ),
    (own(), own(module='other'), 'module labgpu is not equal to other'),
    # The one and the other are two drivers, of whatever version and kernel.
    (own(driver='1.2'), lab(), 'intree yes is not equal to no'),
    (lab(), own(driver='1.2'), 'intree no is not equal to yes'),
    # What is not known is not compatible: a module from outside without a
    # version, one of which it is not known where it comes from, none at all.
    (lab(driver=None), lab(driver=None), 'driver of the target is unknown'),
    (lab(), lab(intree=None), 'intree of the target is unknown'),
    (lab(intree=None), lab(), 'intree of the source is unknown'),
    (lab(intree=None, driver=None), own(), 'intree of the source is unknown'),
    (own(kernel=None), own(kernel=None), 'kernel of the target is unknown'),
    (lab(module=None), lab(module=None), 'module of the target is unknown'),
]


def commented(name):
    """Return the rules that stand in comments in a shipped file."""
    lines = (samples.SHIPPED_RULES / name).read_text('utf-8').splitlines()
    header, _, body = '\n'.join(lines).partition('rules:\n')
    vendor = next(
        line for line in header.splitlines() if line.startswith('vendor:')
    )
    blocks = re.findall(r'(?m)^  # - name: .*\n(?:  #   .*\n?)+', body)
    text = ''.join(block.replace('  # ', '  ') for block in blocks)
    return parser.parse(
        'commented',
        f'schema_version: "1.0"\n{vendor}\nrules:\n{text}'.encode(),
    )


def answer(rules, source, target):
    """Return what rules of the target's host decide."""
    return recorded.explain(
        host_traits.describe(target, rules),
        identity.Identity.of(
            source.parent_id, source.target_type, source.facts
        ),
    )


REVISIONS = board('A100 SXM4 80 GB'), board('A100 SXM4 80 GB, other revision')
OLD = board('A40', os='rhel-9.6', driver='570.133.10')
NEW = board('A40', os='rhel-9.6', driver='570.158.01')


@ddt.ddt
class CommentedTest(testtools.TestCase):
    """Milder rules for operators to put in force are rules, too."""

    @ddt.data(
        ('nvidia.yaml', 2),
        ('mtty.yaml', 1),
        ('default.yaml', 1),
        ('intel-gvtg.yaml', 0),
        ('mlx5.yaml', 1),
        ('intel-qat.yaml', 1),
        ('intel-xe.yaml', 1),
    )
    @ddt.unpack
    def test_without_errors_and_warnings(self, name, count):
        if not count:
            self.assertNotIn(
                '# - name', (samples.SHIPPED_RULES / name).read_text('utf-8')
            )
            return
        read = commented(name)
        self.assertEqual((), read.errors)
        self.assertEqual(count, len(read.rules))
        known = [*identity.FACTS, *nvidia.Nvidia.fact_names]
        values = vendors.values_of(vendors.load(), None)
        self.assertEqual(
            [], list(lint.lint(read.vendor, read.rules, known, values))
        )

    @ddt.data(
        # An older driver on RHEL 9.6.
        ('nvidia.yaml', 0, OLD, NEW, True),
        ('nvidia.yaml', 0, NEW, OLD, False),
        ('nvidia.yaml', 0, board('A40', os='rhel-9.6'), NEW, False),
        (
            'nvidia.yaml',
            0,
            OLD,
            board('A40', os='rhel-9.6', driver='570.158.01', ecc='off'),
            False,
        ),
        (
            'nvidia.yaml',
            0,
            board('A40', driver='570.133.10'),
            board('A40', driver='570.158.01'),
            False,
        ),
        # Revisions of an A100.
        ('nvidia.yaml', 1, *REVISIONS, True),
        ('nvidia.yaml', 1, *reversed(REVISIONS), True),
        ('nvidia.yaml', 1, board('A40'), REVISIONS[0], False),
        # Other kernels with mtty.
        ('mtty.yaml', 0, mtty('6.8.0'), mtty('6.12.0'), True),
        ('mtty.yaml', 0, mtty('6.6.0'), mtty('6.12.0'), False),
        # Other kernels with mlx5, and with Intel's devices.
        ('mlx5.yaml', 0, mlx5(kernel='6.7.0'), mlx5(), True),
        ('mlx5.yaml', 0, mlx5(kernel='6.6.0'), mlx5(), False),
        ('mlx5.yaml', 0, mlx5(firmware=None), mlx5(kernel='6.7.0'), False),
        ('mlx5.yaml', 0, mlx5(psid='MT_1'), mlx5(kernel='6.7.0'), False),
        ('intel-qat.yaml', 0, qat(), qat(kernel='7.0.1'), True),
        ('intel-qat.yaml', 0, qat(kernel='7.0.1'), qat(), True),
        ('intel-qat.yaml', 0, qat(revision='02'), qat(kernel='7.0.1'), False),
        ('intel-xe.yaml', 0, xe(), xe(kernel='7.0.1'), True),
        ('intel-xe.yaml', 0, xe(revision='02'), xe(kernel='7.0.1'), False),
        # No driver is compared.
        (
            'default.yaml',
            0,
            lab(driver='1', module='other'),
            own(kernel='6.12.0'),
            True,
        ),
        ('default.yaml', 0, lab(intree=None), lab(module=None), True),
        ('default.yaml', 0, lab('2222'), lab(), False),
        ('default.yaml', 0, lab(mdev_type='lab-2'), lab(), False),
    )
    @ddt.unpack
    def test_rule(self, name, number, source, target, expected):
        vendor = identity.vendor_of(target.parent_id)
        rule = commented(name).rules[number]
        found = answer(model.RuleSet({vendor: (rule,)}), source, target)
        self.assertIs(
            expected, found.kind is verdict.Status.COMPATIBLE, str(found)
        )


@ddt.ddt
class PublishedTest(testtools.TestCase):
    rules = loader.load([str(samples.SHIPPED_RULES)])

    @ddt.data(*CASES)
    @ddt.unpack
    def test_case(self, source, target, expected):
        found = answer(self.rules, source, target)
        if expected == SAME:
            self.assertIs(verdict.Status.COMPATIBLE, found.kind, str(found))
        else:
            self.assertIsNot(verdict.Status.COMPATIBLE, found.kind)
            self.assertIn(expected, str(found))

    def test_s390_devices_cannot_migrate(self):
        """No rule applies to vfio-ccw and vfio-ap."""
        some = dataclasses.replace(own(), device_api='vfio-ccw')
        self.assertEqual(
            'device API vfio-ccw cannot be live-migrated',
            str(answer(self.rules, some, some)),
        )
