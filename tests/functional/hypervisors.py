# SPDX-License-Identifier: Apache-2.0
"""Two hypervisors, between which domains with mdevs migrate.

Each is a real libvirtd that runs QEMU, in namespaces of its own; a cable
connects them. The machine has no mdevs. So what libvirt and the guard read of
one is laid over this machine's /sys and /dev (hypervisors_mdevs), and QEMU is
started without it (hypervisors_emulator). libvirt checks, claims and migrates
the domain's mdev like any other.
"""

import contextlib
import pathlib
import shlex
import shutil
import socket
import subprocess
import sys
import uuid

import fixtures
import libvirt
from testtools import content

from nova_mdev_compat.daemons import domains
from nova_mdev_compat.late_check import domain_xml
from tests.functional import hypervisors_mdevs
from tests.functional import libvirtd

ROOT = pathlib.Path(__file__).parents[2]
HOOK = ROOT / 'etc/libvirt/hooks/qemu.d/nova-mdev-guard'
EMULATOR = ROOT / 'tests/functional/hypervisors_emulator.py'
BIN = pathlib.Path(sys.executable).parent
SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
#: With our commands.
PATH = f'{BIN}:{SYSTEM_PATH}'

#: libudev, by which libvirt finds devices, takes no other file system for
#: sysfs.
LAID_OVER = 'SYSTEMD_DEVICE_VERIFY_SYSFS=0'
#: Version of the parents' driver.
DRIVER = '1.5'
#: There are no cgroups and no virtlogd, and QEMU runs as libvirtd's user.
QEMU_CONFIG = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
seccomp_sandbox = 0
remember_owner = 0
dynamic_ownership = 0
stdio_handler = "file"
"""
#: The first process there. All others end with it, and it ends with this one,
#: whose end closes its standard input. It prints its pid while /proc is still
#: this machine's. An overlayfs whiteout hides network devices of this machine,
#: which are in another namespace, and /dev/kvm, which root may open whatever
#: its mode is (see libvirtd.NO_KVM).
INIT = """
read -r pid rest < /proc/self/stat
mount -t proc none /proc
! grep -q ' /sys/fs/cgroup ' /proc/mounts || umount -l /sys/fs/cgroup
mknod {home}/dev/kvm c 0 0
mknod {home}/sys/class/net c 0 0
for place in sys dev etc; do
  mount -t overlay none -o lowerdir={home}/$place:/$place /$place
done
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs none /dev/shm
mount --bind {home}/conf /etc/nova-mdev-compat
{prepare}
cp {home}/qemu.conf /etc/libvirt
mkdir /etc/libvirt/hooks
ln -s {home}/hooks /etc/libvirt/hooks/qemu.d
echo $pid
exec {reaper} cat
"""
#: With an mdev, libvirt lets QEMU lock all the guest's memory, which not every
#: root may. A limit of its own is the least that it locks, and without cgroups
#: the guest is not held to it.
DOMAIN = """
<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid>
<memory unit='MiB'>32</memory>
<memtune><hard_limit unit='KiB'>8000</hard_limit></memtune>
<os><type arch='x86_64'>hvm</type></os>
<devices><emulator>{emulator}</emulator>{mdevs}
<memballoon model='none'/></devices></domain>
"""
HOSTDEV = """
<hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'
 display='off'><source><address uuid='{}'/></source></hostdev>
"""


class Hypervisor(libvirtd.Libvirtd):
    """A host, which outlives its libvirtd, as its guests do.

    :param address: of its end of the cable
    :param mdevs: that it has
    :ivar path: PATH of its libvirtd, from its next start on
    """

    def __init__(self, address, mdevs):
        super().__init__()
        self.path = PATH
        self.address = address
        self.mdevs = mdevs

    def _setUp(self):
        self._init = self._process = None
        super()._setUp()

    def config(self):
        # With the machine's UUID, they would not migrate to each other.
        return super().config() + f'host_uuid = "{uuid.uuid4()}"\n'

    def start(self):
        if self._init is None:
            self._furnish()
            self._boot()
        super().start()

    def _furnish(self):
        """Write the files that are laid over this machine's."""
        hypervisors_mdevs.write_sysfs(self.home / 'sys', self.mdevs, DRIVER)
        for name in (
            *('dev/vfio', 'dev/pts', 'dev/shm', 'conf', 'hooks'),
            *('etc/nova-mdev-compat', 'etc/libvirt'),
        ):
            (self.home / name).mkdir(parents=True)
        for name in ('vfio', *(mdev.group for mdev in self.mdevs)):
            (self.home / 'dev/vfio' / name).touch()
        (self.home / 'dev/log').symlink_to(self.home / 'log')
        self._log = self._listen()
        (self.home / 'qemu.conf').write_text(QEMU_CONFIG)
        self.install()

    def _listen(self):
        """Return a socket that receives the host's system log."""
        log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(log.close)
        log.bind(str(self.home / 'log'))
        (self.home / 'log').chmod(0o666)
        log.setblocking(False)
        return log

    def _boot(self):
        script = INIT.format(
            home=shlex.quote(str(self.home)),
            prepare=self.prepare(),
            reaper=shlex.join([sys.executable, str(libvirtd.REAPER)]),
        )
        unshare = ['unshare', '--mount', '--net', '--pid', '--fork']
        with (self.home / 'init').open('wb') as log:
            process = subprocess.Popen(
                [*self._sudo, *unshare, 'sh', '-e', '-c', script],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.addCleanup(process.wait, libvirtd.DEADLINE)
        self.addCleanup(process.stdin.close)
        with process.stdout:
            pid = process.stdout.readline()
        if not pid:
            raise RuntimeError((self.home / 'init').read_text())
        self._init = int(pid)

    def enter(self, *namespaces):
        """Return what runs a command in some of its namespaces, or in all."""
        chosen = namespaces or ('--mount', '--net', '--pid')
        return ['nsenter', '--target', str(self._init), *chosen]

    def inside(self):
        return self.enter()

    def command(self):
        # With a shell between them: nsenter stops when its command stops, and
        # does not continue with it.
        return [
            *(*self.enter(), 'env', f'PATH={self.path}', LAID_OVER),
            *('sh', '-c', '"$@"; exit $?', 'sh', *self.daemon()),
        ]

    def end(self):
        """Wait for libvirtd, which ends with the host's first process."""
        if self._process:
            self._process.wait(libvirtd.DEADLINE)

    def run(self, *command):
        """Run a command there; return what it prints."""
        return subprocess.run(
            [*self._sudo, *self.enter(), *command],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def service(self, log, *command):
        """Start a service there; return a function that ends it."""
        with log.open('wb') as file:
            process = subprocess.Popen(
                [
                    *(*self._sudo, *self.enter(), 'env', f'PATH={self.path}'),
                    *('sh', '-c', 'echo $$; exec "$@"', 'sh', *command),
                ],
                stdout=subprocess.PIPE,
                stderr=file,
            )
        with process.stdout:
            pid = process.stdout.readline().decode().strip()

        def end():
            self.run('kill', pid)
            process.wait(libvirtd.DEADLINE)

        return end

    def connect(self, other):
        """Lay the cable to another one."""

        def run(*command):
            subprocess.run([*self._sudo, *command], check=True)

        # Created inside, so its name need not be free on this machine.
        create = 'ip link add cable type veth peer name cable netns'
        run(*self.enter('--net'), *create.split(), str(other._init))
        for host in (self, other):
            for command in (
                f'ip addr add {host.address}/24 dev cable',
                'ip link set cable up',
                'ip link set lo up',
            ):
                run(*host.enter('--net'), *command.split())

    def logged(self):
        """Return what was written to its system log since the last call."""
        found = []
        while True:
            try:
                found.append(self._log.recv(10000).decode())
            except BlockingIOError:
                return found

    def fill_log(self):
        """Fill the system log's socket, as if its reader hung."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
            log.setblocking(False)
            log.connect(str(self.home / 'log'))
            with contextlib.suppress(BlockingIOError):
                while True:
                    log.send(b'x')

    def configure(self, **groups):
        """Write the configuration of our commands there."""
        (self.home / 'conf/guard.conf').write_text(
            ''.join(
                f'[{group}]\n'
                + ''.join(
                    f'{key} = {value}\n' for key, value in options.items()
                )
                for group, options in groups.items()
            )
        )

    def install(self):
        """Install the hook as it is shipped."""
        shutil.copy(HOOK, self.home / 'hooks')
        (self.home / 'hooks' / HOOK.name).chmod(0o755)

    def uninstall(self):
        (self.home / 'hooks' / HOOK.name).unlink()

    def libvirtd_log(self):
        """Return libvirtd's log, as a test's detail."""
        return content.content_from_file(self.home / 'libvirtd.log')

    def annotate(self, name, text):
        """Write our element into a running domain's metadata."""
        with self.open() as connection:
            connection.lookupByName(name).setMetadata(
                libvirt.VIR_DOMAIN_METADATA_ELEMENT,
                domains.bare(text),
                domain_xml.KEY,
                domain_xml.NAMESPACE,
                libvirt.VIR_DOMAIN_AFFECT_LIVE,
            )

    def open(self):
        """Return a connection, for a with statement."""
        return contextlib.closing(libvirt.open(self.uri('libvirt-sock')))

    def virsh(self, *args):
        """Run virsh against it; return the completed process."""
        return subprocess.run(
            ['virsh', '--quiet', '--connect', self.uri('libvirt-sock'), *args],
            capture_output=True,
            text=True,
            check=False,
            timeout=libvirtd.DEADLINE,
        )


class Hypervisors(fixtures.Fixture):
    """Two of them.

    :param mdevs: those of each
    """

    def __init__(self, *mdevs):
        super().__init__()
        self._mdevs = mdevs

    def _setUp(self):
        self.source, self.target = self.hosts = [
            self.useFixture(Hypervisor(f'10.99.0.{number}', mdevs))
            for number, mdevs in enumerate(self._mdevs, 1)
        ]
        self.source.connect(self.target)
        home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        home.chmod(0o755)
        # A domain's emulator has the same path on both.
        self.emulator = home / 'emulator'
        self.emulator.write_text(
            f'#!/bin/sh\nexec {sys.executable} -IS {EMULATOR} {home}/held '
            '"$@"\n'
        )
        self.emulator.chmod(0o755)

    @contextlib.contextmanager
    def starting(self):
        """Keep starting guests from completing their start."""
        held = self.emulator.with_name('held')
        held.touch()
        try:
            yield
        finally:
            held.unlink()

    def domain(self, name, uuids):
        """Return the XML of a domain with these mdevs."""
        return DOMAIN.format(
            name=name,
            uuid=uuid.uuid4(),
            emulator=self.emulator,
            mdevs=''.join(map(HOSTDEV.format, uuids)),
        )
