# SPDX-License-Identifier: Apache-2.0
"""Pages of sample clouds: python -m tests.matrix_samples DIRECTORY [NAME...].

The collector's own code builds the devices under the rules below, because
tests have no such boards.
"""

import itertools
import pathlib
import sys

from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import model
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.osc import compat
from nova_mdev_compat.osc import matrix_html
from nova_mdev_compat.osc import pci_ids
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model as rules_model
from nova_mdev_compat.rules import parser
from tests.unit import samples

#: The page of mixed().
DOCUMENTED = samples.ROOT / 'doc/source/operator/images/mixed.html'
#: Placement accepts this as the name of a host.
HOSTILE = '<script>alert("1")</script>&amp;\'\0\n\u202e]]>$\\frac{$中\ud800'
TITLE = compat.TITLE
ABOUT = matrix_html.About(
    'example, keystone.example.com, RegionOne', '2026-03-09 14:30 UTC', '0.1.0'
)
#: As pci.ids has them.
NAMES = pci_ids.parse(
    [
        '10de  NVIDIA Corporation\n',
        '\t20b5  GA100 [A100 PCIe 80GB]\n',
        '\t2235  GA102GL [A40]\n',
        '\t26b9  AD102GL [L40S]\n',
    ]
)
A40, L40S = '2235', '26B9'
FACTS = {
    'module': 'nvidia',
    'driver': '550.90.05',
    'os': 'rhel-9.6',
    'subsystem': '10de:145a',
    'ecc': 'on',
}
RULES = """
schema_version: "1.0"
vendor: "10de"
rules:
  - name: same board, driver from the 535 branch up to ours
    accepts:
      facts:
        driver: {at_least: "535", at_most: same}
        ecc: same
        os: same
"""
#: Stricter rules of one host.
CAREFUL = RULES.replace('{at_least: "535", at_most: same}', 'same')


def rules(text=RULES):
    """Return the rules of a file."""
    found = parser.parse('nvidia.yaml', text.encode())
    assert not found.errors, found.errors
    return rules_model.RuleSet({found.vendor: found.rules})


def board(
    slot=0, product=A40, mdev_type='nvidia-558', by=RULES, in_use=(), **facts
):
    """Return a device as its collector publishes it.

    :param facts: replace FACTS; None removes one
    """
    known = {
        name: value
        for name, value in {**FACTS, **facts}.items()
        if value is not None
    }
    published = host_traits.describe(
        par.MdevParent(
            f'pci_0000_84_{slot:02x}_0',
            f'10DE_{product}',
            (mdev_type,),
            mdev_type,
            par.VFIO_PCI,
            frozenset(in_use),
            known,
        ),
        rules(by),
    )
    return _parent(slot, published.all_traits)


def mtty():
    """Return a device of the kernel's mtty sample, by its shipped rules."""
    published = host_traits.describe(
        par.MdevParent(
            'mtty_mtty',
            'MTTY',
            ('mtty-1',),
            'mtty-1',
            par.VFIO_PCI,
            frozenset(),
            {'kernel': '6.12.0'},
        ),
        loader.load([str(samples.SHIPPED_RULES)]),
    )
    return _parent(0, published.all_traits)


def unpublished(slot=0):
    """Return a device of a host whose collector has published nothing."""
    return _parent(slot, ())


def orphaned(slot=0):
    """Return a device that is gone, whose provider remains."""
    return _parent(slot, (traits.SCHEMA,))


def _parent(slot, names):
    return model.Parent(
        f'uuid-{slot}', f'pci_0000_84_{slot:02x}_0', traits.describe(names)
    )


def host(name, *parents, published=True):
    return model.Host(f'uuid-{name}', name, published, parents)


def classes_of(*hosts):
    """Return the device classes of a cloud."""
    return device_classes.classify(model.by_name(hosts).parents())


def one():
    """Return the device classes of a cloud of equal devices."""
    return classes_of(
        *(host(f'gpu-{number}', board(), board(1)) for number in range(3))
    )


def two():
    """Return the device classes in the middle of an upgrade."""
    return classes_of(
        *(
            host(f'gpu-{number}', board(driver='535.183.04'))
            for number in range(3)
        ),
        *(host(f'gpu-{number}', board()) for number in range(3, 5)),
    )


def mixed():
    """Return device classes for every sign and every reason."""
    return classes_of(
        *(host(f'gpu-{number}', board(), board(1)) for number in range(4)),
        *(
            host(f'old-{number}', board(driver='535.183.04'))
            for number in range(3)
        ),
        host('older-1', board(driver='525.60.13')),
        host('older-2', board(driver='525.60.13')),
        host('ecc-off-1', board(ecc='off')),
        host('no-nvml-1', board(ecc=None)),
        host('no-nvml-2', board(ecc=None)),
        host('careful-1', board(by=CAREFUL)),
        host(
            'l40s-1',
            board(
                product=L40S, mdev_type='nvidia-1155', in_use=('nvidia-1157',)
            ),
            board(
                1,
                product=L40S,
                mdev_type='nvidia-1155',
                in_use=('nvidia-1157',),
            ),
        ),
        host('gone-1', board(), orphaned(1)),
        host('new-1', unpublished(), unpublished(1), published=False),
        host('new-2', unpublished(), published=False),
    )


def unknown():
    """Return the device classes before collectors run."""
    return classes_of(
        host('a', unpublished(), published=False), host('b', orphaned())
    )


def many(number):
    """Return a number of device classes, each on two hosts."""
    boards = itertools.islice(
        itertools.product(
            (A40, L40S, '20B5'),
            ('525.60.13', '535.54.03', '535.183.04', '550.54.14', '550.90.05'),
            ('on', 'off'),
            ('rhel-9.4', 'rhel-9.6'),
        ),
        number,
    )
    return classes_of(
        *(
            host(
                f'gpu-{index:03}{letter}',
                board(product=product, driver=driver, ecc=ecc, os=os),
            )
            for index, (product, driver, ecc, os) in enumerate(boards)
            for letter in 'ab'
        )
    )


def three():
    """Return the device classes of three hosts."""
    return classes_of(
        host('gpu-1', board(driver='535.183.04')),
        host('gpu-2', board(ecc='off'), board(1)),
        host('gpu-3', board(product=L40S, mdev_type='nvidia-1155')),
    )


SAMPLES = {
    'one': one,
    'two': two,
    'three': three,
    'mixed': mixed,
    'unknown': unknown,
    'forty': lambda: many(40),
    'sixty': lambda: many(60),
}


def write(path, found, title=TITLE, about=ABOUT, names=NAMES):
    """Write the page of device classes."""
    rows = device_classes.matrix(found)
    matrix_html.write(path, found, rows, title, about, names)
    return path


def page(found, title=TITLE, about=ABOUT, names=None):
    """Return the page of device classes, by default without names."""
    rows = device_classes.matrix(found)
    return matrix_html.page(found, rows, title, about, names)


def main(directory, *names):
    home = pathlib.Path(directory)
    home.mkdir(parents=True, exist_ok=True)
    for name in names or SAMPLES:
        write(home / f'{name}.html', SAMPLES[name]())


if __name__ == '__main__':
    main(*sys.argv[1:])
