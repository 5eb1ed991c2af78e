# SPDX-License-Identifier: Apache-2.0
"""A plugin without a vendor: an example to start from.

Copy it into your own package, put your vendor id into ``vendors``, and declare
an entry point::

    [project.entry-points."nova_mdev_compat.vendors"]
    acme = "acme_mdev:Acme"

The collector loads it at its next start. ``nova-mdev-collector dry-run`` shows
its facts.
"""

from collections.abc import Collection, Mapping, Sequence

from oslo_config import cfg

from nova_mdev_compat.vendors import base

# Operators set the options of a plugin in the collector's file.
OPTS = [cfg.StrOpt('firmware', help='Fact that the example provides.')]


class NoOp(base.Vendor):
    """Provides one fact, and leaves the decision to the rule files."""

    # Empty, so the collector never calls it. Yours has frozenset({'1234'}).
    vendors = frozenset()

    # Every fact that facts() may return. A rule may have
    # "firmwareversion: same" or {at_least: "2.1"}.
    fact_names = {'firmwareversion': 'version of the firmware of the board'}

    def __init__(self, conf: cfg.ConfigOpts):
        super().__init__(conf)
        conf.register_opts(OPTS, group='noop_vendor')

    def facts(
        self, devices: Sequence[base.Device]
    ) -> Mapping[str, base.Facts]:
        """Read the facts of each device: from a driver, or here an option."""
        firmware = self.conf.noop_vendor.firmware
        if firmware is None:
            # Rules that need the fact accept nothing. Operators see the reason.
            found = base.Facts(
                unknown={'firmwareversion': 'set [noop_vendor]firmware'}
            )
        else:
            found = base.Facts({'firmwareversion': firmware})
        return {device.name: found for device in devices}

    def accepts(
        self, device: base.Device, target: base.Identity
    ) -> Collection[base.Pattern] | None:
        """Leave the decision to the rule files.

        A vendor that decides in code returns patterns instead. This is "the
        same product, the same type, firmware 2.0 or later"::

            newer = base.Condition('firmwareversion', base.Op.GE, '2_0')
            return [base.Pattern(target.parent, target.type, (newer,))]
        """
        return None
