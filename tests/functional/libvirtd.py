# SPDX-License-Identifier: Apache-2.0
"""A real libvirtd, beside the machine's own if it has one."""

import contextlib
import os
import pathlib
import shlex
import subprocess
import sys

import fixtures
import libvirt

from tests import waiting

CONFIG = """
unix_sock_dir = "{home}"
unix_sock_ro_perms = "0777"
unix_sock_rw_perms = "0777"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:file:{home}/libvirtd.log"
"""
#: What it would keep there is its own, and gone with it.
DIRECTORIES = (
    '/etc/libvirt',
    '/run/libvirt',
    '/var/lib/libvirt',
    '/var/cache/libvirt',
    '/var/log/libvirt',
)
#: Debian's daemon does not start without the user that it would run guests as,
#: and the package that makes this user starts a libvirtd on this machine.
ACCOUNT = """
grep -q ^libvirt-qemu: /etc/passwd || {{
  cp /etc/passwd /etc/group {home}
  echo libvirt-qemu:x:64055:64055::/nonexistent:/bin/false >> {home}/passwd
  echo libvirt-qemu:x:64055: >> {home}/group
  mount --bind {home}/passwd /etc/passwd
  mount --bind {home}/group /etc/group
}}
"""
#: libvirt remembers what an emulator can do, but not where there is a KVM that
#: its user may open and that does not work, as in a nested machine: there it
#: asks anew for each domain, which takes seconds.
NO_KVM = """
[ ! -e /dev/kvm ] || {{
  : > {home}/kvm
  chmod 0 {home}/kvm
  mount --bind {home}/kvm /dev/kvm
}}
"""
DOMAIN = """
<domain type='qemu'><name>{}</name><memory>1024</memory>
<os><type>hvm</type></os></domain>
"""
#: Of whatever waits for it.
DEADLINE = waiting.DEADLINE
REAPER = pathlib.Path(__file__).parent / 'reaper.py'


class Libvirtd(fixtures.Fixture):
    """Can be killed, started again, and made to hang.

    It needs root, as libvirt's system daemon does; another user's test asks
    sudo.
    """

    def _setUp(self):
        self.home = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.home.chmod(0o755)
        (self.home / 'libvirtd.conf').write_text(self.config())
        self._sudo = [] if os.geteuid() == 0 else ['sudo', '-n']
        # Errors are raised; nobody needs them on stderr as well.
        libvirt.registerErrorHandler(lambda *_: None, None)
        self.addCleanup(self.end)
        self.start()

    def uri(self, socket='libvirt-sock-ro'):
        return f'qemu+unix:///system?socket={self.home / socket}'

    def config(self):
        """Return the daemon's configuration."""
        return CONFIG.format(home=self.home)

    def prepare(self):
        """Return what makes the namespace fit for it, for ``sh -e``.

        It must end where one command fails: the next may be meant for what
        that one should have put over this machine's own files.
        """
        return ''.join(
            f'mkdir -p {path}\nmount -t tmpfs none {path}\n'
            for path in DIRECTORIES
        ) + (ACCOUNT + NO_KVM).format(home=shlex.quote(str(self.home)))

    def daemon(self):
        return [
            'libvirtd',
            '--config',
            str(self.home / 'libvirtd.conf'),
            '--pid-file',
            str(self.home / 'pid'),
        ]

    def command(self):
        """Return what runs the daemon where it belongs, for root."""
        reaped = shlex.join([sys.executable, str(REAPER), *self.daemon()])
        return [
            'unshare',
            '--mount',
            'sh',
            '-e',
            '-c',
            f'{self.prepare()}exec {reaped}',
        ]

    def inside(self):
        """Return what runs a command where it sees the daemon's pids."""
        return []

    def start(self):
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [*self._sudo, *self.command()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        waiting.wait_for(self._answers, 'libvirtd does not answer')

    def _answers(self):
        try:
            libvirt.open(self.uri()).close()
        except libvirt.libvirtError:
            if self._process.poll() is not None:
                raise
            return False
        return True

    def signal(self, name):
        """Send it a signal, by name without SIG."""
        pid = (self.home / 'pid').read_text().strip()
        subprocess.run(
            [*self._sudo, *self.inside(), 'kill', f'-{name}', pid], check=True
        )

    def kill(self):
        """End it at once, as a crash would."""
        self.signal('KILL')
        self._process.wait(DEADLINE)

    def end(self):
        if self._process.poll() is None:
            self.kill()

    @contextlib.contextmanager
    def hanging(self):
        """Let it accept connections, and not answer."""
        self.signal('STOP')
        try:
            yield
        finally:
            self.signal('CONT')

    def define(self, count=1):
        """Define and undefine domains: two lifecycle events for each."""
        with contextlib.closing(
            libvirt.open(self.uri('libvirt-sock'))
        ) as connection:
            for number in range(count):
                connection.defineXML(DOMAIN.format(f'd{number}')).undefine()
