# SPDX-License-Identifier: Apache-2.0
"""Acme's boards: two facts, and for one product an answer of its own."""

import os

from oslo_config import cfg

from nova_mdev_compat.vendors import base

OPTS = [
    cfg.StrOpt(
        'mode',
        choices=['fast', 'safe'],
        help='Mode that the boards of this host are in.',
    )
]

#: The only product for which rule files do not count.
STATEFUL = '1B36_0005'


class Acme(base.Vendor):
    vendors = frozenset({'1b36'})
    fact_names = {
        'mode': 'fast or safe',
        'firmwareversion': 'version of the firmware of the board',
    }
    fact_values = {'mode': frozenset({'fast', 'safe'})}

    def __init__(self, conf):
        super().__init__(conf)
        conf.register_opts(OPTS, group='acme')

    def facts(self, devices):
        values, unknown = {}, {}
        if self.conf.acme.mode is None:
            unknown['mode'] = 'set [acme]mode'
        else:
            values['mode'] = self.conf.acme.mode
        # Stands for what a driver would be asked.
        firmware = os.environ.get('ACME_FIRMWARE', '')
        if firmware == 'upgrading':
            raise base.Failure('the firmware is being upgraded')
        if firmware:
            values['firmwareversion'] = firmware
        else:
            unknown['firmwareversion'] = 'the driver is not loaded'
        return {device.name: base.Facts(values, unknown) for device in devices}

    def accepts(self, device, target):
        if target.parent != STATEFUL:
            return None
        firmware, mode = target.fact('firmwareversion'), target.fact('mode')
        if firmware is None or mode is None:
            return []
        # From the same major version up to its own.
        major = firmware.partition('_')[0]
        return [
            base.Pattern(
                target.parent,
                target.type,
                (
                    base.Condition('firmwareversion', base.Op.GE, major),
                    base.Condition('firmwareversion', base.Op.LE, firmware),
                    base.Condition('mode', base.Op.IS, mode),
                ),
            )
        ]
