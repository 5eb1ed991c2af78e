# SPDX-License-Identifier: Apache-2.0
"""Who must not change a decision, and does try."""

from tests.cloud import client
from tests.cloud.lab import expect

#: What the project's traits and options are called, as a tenant may write it.
NAMES = (
    'CUSTOM_MDEV_V1',
    'CUSTOM_MDEV_HOST',
    'CUSTOM_MDEV_TYPE_NVIDIA_11',
    'CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11',
    'mdev_compat',
    'mdev_compat:mode',
    'resources:VGPU',
)
HIDDEN = '"placement:traits:list": "role:nobody"\n'


def not_an_admin(lab):
    """who owns an instance can neither migrate it nor see hosts"""
    with lab.instances('vm', host='gpu-1'):
        seen = []
        for line in (
            'server migrate --live-migration vm',
            'mdev target list vm',
            'mdev device list',
            'mdev trait purge',
            'mdev stranded instance list',
        ):
            said = _refused(lab.owner, line)
            expect(
                '403' in said
                or 'not allowed' in said.lower()
                or 'forbidden' in said.lower()
                or 'needs the role' in said,
                (line, said),
            )
            seen.append(line)
        said = _refused(lab.other, 'mdev target list vm')
        expect('vm' in said and 'gpu' not in said, said)
        expect(lab.servers.all()['vm'].host == 'gpu-1', 'it has moved')
    return f'{len(seen)} commands refused to the owner'


def _refused(who, line):
    try:
        stdout = who.run(line)
    except client.Refused as exc:
        return exc.said
    expect(False, f'openstack {line} was let through: {stdout}')


def imitations(lab):
    """our names in hints, properties and metadata change nothing"""
    forged = dict.fromkeys(NAMES, 'true')
    forged['trait:CUSTOM_MDEV_ACCEPT_10DE_2236__NVIDIA_11'] = 'forbidden'
    hints = ' '.join(f'--hint {name}=any' for name in NAMES)
    metadata = ' '.join(
        f'--property {name}={value}' for name, value in forged.items()
    )
    lab.owner.run(
        f'image create --disk-format raw --file {lab.plane.home}'
        f'/image {metadata} forged'
    )
    lab.admin.run(
        'flavor create --ram 64 --disk 1 --vcpus 1 '
        f'--property resources:VGPU=1 forged {_as_specs()}'
    )
    with (
        lab.instances('plain-vm', host='gpu-1'),
        lab.instances(
            'forged-vm',
            host='gpu-1',
            flavor='forged',
            image='forged',
            more=f'{hints} {metadata} ',
        ),
    ):
        lab.owner.run(f'server set {metadata} forged-vm')
        same = [
            _without_room(lab.targets(name))
            for name in ('plain-vm', 'forged-vm')
        ]
        expect(same[0] == same[1], same)
        for host in ('gpu-4', 'gpu-5'):
            lab.expect_refused('forged-vm', host)
        lab.expect_all_moved(lab.migrate('forged-vm'))
    lab.admin.run('flavor delete forged')
    lab.owner.run('image delete forged')
    return f'{len(NAMES)} names in 4 places, the same verdicts and landing'


def _as_specs():
    return ' '.join(
        f'--property mdev_compat:{name.lower()}=any' for name in NAMES[:4]
    )


def _without_room(targets):
    return {
        host: (row['verdict'], row['because']) for host, row in targets.items()
    }


def hidden_traits(lab):
    """a Placement policy that hides traits is an error that says so"""
    policy = lab.plane.etc / 'placement-policy.yaml'
    since = lab.log_sizes()
    with lab.instances('vm', host='gpu-1'):
        policy.write_text(HIDDEN)
        lab.cloud.settle()
        try:
            lab.expect_refused('vm', 'gpu-3')
        finally:
            policy.write_text('{}\n')
        (line, *_) = lab.says('needs the role that Placement', since=since)
        lab.wait_until(lambda: lab.compatible('vm'), 'see traits again')
        lab.cloud.settle()
        lab.expect_all_moved(lab.migrate('vm', host='gpu-3'))
    return line[line.index('nova_mdev_compat') :]
