# SPDX-License-Identifier: Apache-2.0
"""From this host's devices to its traits in Placement.

nodedev.py, sysfs.py, system.py and nova_types.py read, as do the vendors'
plugins; parents.py puts together what they read, publication.py says what is
to be published, and publishers/ makes Placement say the same. remarks.py says
what no trait does: what is odd in nova.conf, and which mdevs are left over.
"""
