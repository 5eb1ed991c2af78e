# SPDX-License-Identifier: Apache-2.0
"""A plugin without a vendor: an example to start from.

Copy it into a package of your own, name your vendor id in ``vendors``, and
declare an entry point::

    [project.entry-points."nova_mdev_compat.vendors"]
    acme = "acme_mdev:Acme"

The collector finds it at its next start; ``nova-mdev-collector dry-run``
shows what it provides.
"""

from collections.abc import Collection, Mapping, Sequence

from oslo_config import cfg

from nova_mdev_compat.vendors import base

# A plugin owns its options: operators set them in the collector's file.
OPTS = [cfg.StrOpt('firmware', help='Fact that the example provides.')]


class NoOp(base.Vendor):
    """Provides one fact, and leaves the answer to the rule files."""

    # Empty, so it is never asked. Yours has frozenset({'1234'}).
    vendors = frozenset()

    # Every fact that facts() may return. A rule may then have
    # "firmwareversion: same", or {at_least: "2.1"}.
    fact_names = {'firmwareversion': 'version of the firmware of the board'}

    def __init__(self, conf: cfg.ConfigOpts):
        super().__init__(conf)
        conf.register_opts(OPTS, group='noop_vendor')

    def facts(
        self, devices: Sequence[base.Device]
    ) -> Mapping[str, base.Facts]:
        """Ask the driver, here an option, about each device."""
        firmware = self.conf.noop_vendor.firmware
        if firmware is None:
            # Rules that need the fact accept nothing, and the operator reads
            # this reason.
            found = base.Facts(
                unknown={'firmwareversion': 'set [noop_vendor]firmware'}
            )
        else:
            found = base.Facts({'firmwareversion': firmware})
        return {device.name: found for device in devices}

    def accepts(
        self, device: base.Device, target: base.Identity
    ) -> Collection[base.Pattern] | None:
        """Leave the answer to rule files.

        A vendor that answers in code returns patterns instead. This is "the
        same board, the same type, firmware 2.0 or later"::

            newer = base.Condition('firmwareversion', base.Op.GE, '2_0')
            return [base.Pattern(target.parent, target.type, (newer,))]
        """
        return None
