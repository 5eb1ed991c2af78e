# SPDX-License-Identifier: Apache-2.0
"""The two services on a compute host, and the reconcile loop they share.

The collector reconciles Placement with this host: collector.py,
host_reader.py, state.py, report.py. The annotator writes the identity of
mdevs into domains: annotator.py, domains.py, updates.py.
"""
