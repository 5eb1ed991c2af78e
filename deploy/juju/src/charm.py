#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A subordinate charm: the collector, or the filter, or both."""

import pathlib
import shutil
import subprocess
import zipfile

import ops

ENVIRONMENT = '/opt/nova-mdev-compat'
#: requests in the environment would not know the cloud's own authority.
AUTHORITIES = 'REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt'
#: Where systemd, sysusers and /etc are; tests have another one.
ROOT = pathlib.Path('/')

COLLECTOR_CONF = """\
# Written by the charm nova-mdev-compat.
[DEFAULT]
# The collector's user may not write to Nova's directory.
log_dir =
log_file =
"""
#: NVIDIA's charm replaces the traits of its providers at boot: publish later.
DROP_IN = f"""\
# Written by the charm nova-mdev-compat.
[Unit]
After=systemd-mdev-workaround.service
[Service]
Environment={AUTHORITIES}
ExecStart=
ExecStart={ENVIRONMENT}/bin/nova-mdev-collector run
"""
SCHEDULER_CONF = """\
# Written by the charm nova-mdev-compat.
[filter_scheduler]
available_filters = nova_mdev_compat.filters.all_filters
[mdev_compat]
mode = {mode}
resource_classes = {classes}
"""


class NovaMdevCompatCharm(ops.CharmBase):
    """Installs what the principal needs, and removes it."""

    def __init__(self, framework: ops.Framework) -> None:
        super().__init__(framework)
        for event in (
            self.on.start,
            self.on.upgrade_charm,
            self.on.config_changed,
            self.on['compute'].relation_joined,
            self.on['scheduler'].relation_joined,
        ):
            framework.observe(event, self._reconcile)
        framework.observe(self.on.update_status, self._update_status)
        framework.observe(self.on.remove, self._remove)

    def _reconcile(self, _: ops.EventBase) -> None:
        try:
            wheel = self._wheel()
        except ops.ModelError:
            self.unit.status = ops.BlockedStatus(
                'the resource wheel is missing'
            )
            return
        if self.model.relations['compute']:
            self._install_collector(wheel)
        if self.model.relations['scheduler']:
            self._install_filter(wheel)
        self._update_status(None)

    def _wheel(self) -> pathlib.Path:
        """Return the wheel, under the name that pip wants it to have."""
        resource = self.model.resources.fetch('wheel')
        with zipfile.ZipFile(resource) as archive:
            name = next(
                name.partition('.dist-info/')[0]
                for name in archive.namelist()
                if name.endswith('.dist-info/METADATA')
            )
        wheel = (
            ROOT / f'var/lib/nova-mdev-compat-charm/{name}-py3-none-any.whl'
        )
        wheel.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(resource, wheel)
        return wheel

    # On compute hosts

    def _install_collector(self, wheel: pathlib.Path) -> None:
        run('apt-get', 'install', '--yes', 'python3-venv', 'python3-libvirt')
        run('python3', '-m', 'venv', '--system-site-packages', ENVIRONMENT)
        run(
            f'{ENVIRONMENT}/bin/pip',
            'install',
            *str(self.config['pip-options']).split(),
            f'{wheel}[{self.config["extras"]}]',
        )
        shared = ROOT / ENVIRONMENT.lstrip('/') / 'share/nova-mdev-compat'
        units = shared / 'systemd'
        copy(
            units / 'nova-mdev-compat.sysusers.conf',
            'usr/lib/sysusers.d/nova-mdev-compat.conf',
        )
        copy(
            units / 'nova-mdev-collector.service',
            'etc/systemd/system/nova-mdev-collector.service',
        )
        write(
            'etc/systemd/system/nova-mdev-collector.service.d/juju.conf',
            DROP_IN,
        )
        nvidia = 'etc/systemd/system/nova-mdev-collector.service.d/nvidia.conf'
        if 'nvidia' in str(self.config['extras']).split(','):
            copy(units / 'nova-mdev-collector-nvidia.conf', nvidia)
        else:
            (ROOT / nvidia).unlink(missing_ok=True)
        write(
            'etc/nova-mdev-compat/juju.conf',
            f'{COLLECTOR_CONF}{self.config["collector-conf"]}\n',
        )
        rules = 'etc/nova-mdev-compat/rules.d/juju.yaml'
        if self.config['rules']:
            write(rules, str(self.config['rules']))
        else:
            (ROOT / rules).unlink(missing_ok=True)
        run('systemd-sysusers', 'nova-mdev-compat.conf')
        run('usermod', '--append', '--groups', 'nova', 'nova-mdev')
        run('systemctl', 'daemon-reload')
        run('systemctl', 'enable', 'nova-mdev-collector')
        # The unit's start waits for Placement. The charm does not.
        run('systemctl', 'restart', '--no-block', 'nova-mdev-collector')

    # On schedulers

    def _install_filter(self, wheel: pathlib.Path) -> None:
        run('apt-get', 'install', '--yes', 'python3-pip')
        # Nova's Debian packages bring all that the filter needs.
        run(
            'python3',
            '-m',
            'pip',
            'install',
            '--break-system-packages',
            '--force-reinstall',
            '--no-deps',
            '--no-index',
            str(wheel),
        )
        write(
            'etc/nova/nova.conf.d/nova-mdev-compat.conf',
            SCHEDULER_CONF.format(
                mode=self.config['mode'],
                classes=self.config['resource-classes'],
            ),
        )
        run('systemctl', 'try-restart', 'nova-scheduler')

    # Status and removal

    def _update_status(self, _: ops.EventBase | None) -> None:
        if self.model.relations['compute']:
            # A good status is 0. No password is needed.
            found = subprocess.run(  # noqa: S603
                [
                    f'{ENVIRONMENT}/bin/nova-mdev-collector',
                    '--config-file',
                    '/dev/null',
                    'status',
                ],
                capture_output=True,
                check=False,
                text=True,
            )
            self.unit.status = (
                ops.ActiveStatus()
                if found.returncode == 0
                else ops.WaitingStatus('see nova-mdev-collector status')
            )
        elif self.model.relations['scheduler']:
            self.unit.status = ops.ActiveStatus()
        else:
            self.unit.status = ops.BlockedStatus(
                'not related to nova-compute or nova-cloud-controller'
            )

    def _remove(self, _: ops.EventBase) -> None:
        filter_conf = ROOT / 'etc/nova/nova.conf.d/nova-mdev-compat.conf'
        if filter_conf.exists():
            filter_conf.unlink()
            run('systemctl', 'try-restart', 'nova-scheduler')
        unit = ROOT / 'etc/systemd/system/nova-mdev-collector.service'
        if unit.exists():
            run('systemctl', 'disable', '--now', 'nova-mdev-collector')
            # Traits that remain do no harm.
            run(
                'env',
                AUTHORITIES,
                f'{ENVIRONMENT}/bin/nova-mdev-collector',
                'withdraw',
                check=False,
            )
            unit.unlink()
            shutil.rmtree(unit.with_suffix('.service.d'), ignore_errors=True)
            run('systemctl', 'daemon-reload')


def run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check)  # noqa: S603


def copy(source: pathlib.Path, target: str) -> None:
    write(target, source.read_text())


def write(target: str, text: str) -> None:
    path = ROOT / target
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == '__main__':
    ops.main(NovaMdevCompatCharm)
