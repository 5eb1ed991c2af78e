# SPDX-License-Identifier: Apache-2.0
"""Pictures of clouds: python -m tests.picture_samples DIRECTORY [NAME...].

The devices are made by the collector's own code under the rules below,
because no such boards are to be had for a test. Without names of samples it
also writes tests/data/osc/matrix.txt anew.
"""

import itertools
import pathlib
import sys
from xml.etree import ElementTree

from nova_mdev_compat.core import traits
from nova_mdev_compat.fleet import device_classes
from nova_mdev_compat.fleet import model
from nova_mdev_compat.host import devices
from nova_mdev_compat.host import parents as par
from nova_mdev_compat.osc.drawing import grid as grid_
from nova_mdev_compat.osc import picture
from nova_mdev_compat.publication import host_traits
from nova_mdev_compat.rules import document
from nova_mdev_compat.rules import loader
from nova_mdev_compat.rules import model as rules_model
from nova_mdev_compat.rules import reader
from tests.unit import samples

#: What the picture of mixed() says.
WORDS = samples.DATA / 'osc' / 'matrix.txt'
SVG = '{http://www.w3.org/2000/svg}'
#: What Placement takes for the name of a host.
HOSTILE = '<script>alert("1")</script>&amp;\'\0\n\u202e]]>$\\frac{$中\ud800'
TITLE = 'Which devices accept mdevs of which'
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
#: Somebody has been more careful on one host.
CAREFUL = RULES.replace('{at_least: "535", at_most: same}', 'same')


def rules(text=RULES):
    """Return the rules of a file."""
    found = reader.Reader(
        pathlib.Path('nvidia.yaml'), document.parse(text.encode())
    ).read()
    assert not found.errors, found.errors
    return rules_model.RuleSet({found.vendor: found.rules})


def board(
    slot=0, product=A40, mdev_type='nvidia-558', by=RULES, in_use=(), **facts
):
    """Return a device as its collector publishes it.

    :param facts: others than FACTS; None for one that is not known
    """
    known = {
        name: value
        for name, value in {**FACTS, **facts}.items()
        if value is not None
    }
    said = host_traits.describe(
        par.Parent(
            f'pci_0000_84_{slot:02x}_0',
            f'10DE_{product}',
            (mdev_type,),
            mdev_type,
            devices.VFIO_PCI,
            frozenset(in_use),
            known,
        ),
        rules(by),
    )
    return _parent(slot, said.all_traits)


def mtty():
    """Return the kernel's sample of a device, by its shipped rules."""
    said = host_traits.describe(
        par.Parent(
            'mtty_mtty',
            'MTTY',
            ('mtty-1',),
            'mtty-1',
            devices.VFIO_PCI,
            frozenset(),
            {'kernel': '6.12.0'},
        ),
        loader.load([str(samples.SHIPPED_RULES)]),
    )
    return _parent(0, said.all_traits)


def silent(slot=0):
    """Return a device about which no collector has said anything."""
    return _parent(slot, ())


def ghost(slot=0):
    """Return a device that is gone, and still has a provider."""
    return _parent(slot, (traits.SCHEMA,))


def _parent(slot, names):
    return model.Parent(
        f'uuid-{slot}', f'pci_0000_84_{slot:02x}_0', traits.describe(names)
    )


def host(name, *parents, published=True):
    return model.Host(f'uuid-{name}', name, published, parents)


def kinds_of(*hosts):
    """Return the kinds of devices of a cloud."""
    return device_classes.kinds(model.by_name(hosts).parents())


def one():
    """Return what a cloud is of which all devices are alike."""
    return kinds_of(
        *(host(f'gpu-{number}', board(), board(1)) for number in range(3))
    )


def two():
    """Return an upgrade that is half done."""
    return kinds_of(
        *(
            host(f'gpu-{number}', board(driver='535.183.04'))
            for number in range(3)
        ),
        *(host(f'gpu-{number}', board()) for number in range(3, 5)),
    )


def mixed():
    """Return one of everything."""
    return kinds_of(
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
        host('gone-1', board(), ghost(1)),
        host('new-1', silent(), silent(1), published=False),
        host('new-2', silent(), published=False),
    )


def unknown():
    """Return what is there before collectors run."""
    return kinds_of(host('a', silent(), published=False), host('b', ghost()))


def many(number):
    """Return so many kinds, each on two hosts."""
    boards = itertools.islice(
        itertools.product(
            (A40, L40S, '20B5'),
            ('525.60.13', '535.54.03', '535.183.04', '550.54.14', '550.90.05'),
            ('on', 'off'),
            ('rhel-9.4', 'rhel-9.6'),
        ),
        number,
    )
    return kinds_of(
        *(
            host(
                f'gpu-{index:03}{letter}',
                board(product=product, driver=driver, ecc=ecc, os=os),
            )
            for index, (product, driver, ecc, os) in enumerate(boards)
            for letter in 'ab'
        )
    )


SAMPLES = {
    'one': one,
    'two': two,
    'mixed': mixed,
    'unknown': unknown,
    'forty': lambda: many(40),
    'sixty': lambda: many(60),
}


def write(path, found, title=TITLE):
    """Write the picture of kinds."""
    picture.write(path, found, device_classes.matrix(found, found), title)
    return path


def grid(found, rows=None):
    """Return what the picture of kinds shows."""
    return grid_.Grid.of(
        found,
        device_classes.matrix(found, found) if rows is None else rows,
        TITLE,
    )


def groups(path):
    """Return an SVG, and its groups by their ids."""
    root = ElementTree.fromstring(  # noqa: S314 - written by write
        path.read_bytes()
    )
    return root, {group.get('id'): group for group in root.iter(SVG + 'g')}


def words(path):
    """Return what an SVG shows and tells, in lines; its fonts do not count."""
    root, _ = groups(path)
    return ''.join(
        f'{element.tag.removeprefix(SVG)} {" | ".join(lines)}\n'
        for element in root.iter()
        if element.tag in (SVG + 'title', SVG + 'text')
        and (lines := (element.text or '').splitlines())
    )


def main(directory, *names):
    home = pathlib.Path(directory)
    home.mkdir(parents=True, exist_ok=True)
    for name in names or SAMPLES:
        found = SAMPLES[name]()
        for suffix in picture.FORMATS:
            write(home / f'{name}{suffix}', found)
    if not names:
        WORDS.write_text(words(home / 'mixed.svg'), 'utf-8')


if __name__ == '__main__':
    main(*sys.argv[1:])
