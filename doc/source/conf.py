# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration."""

project = 'nova-mdev-compat'
copyright = 'nova-mdev-compat contributors'  # noqa: A001
root_doc = 'index'

extensions = ['cliff.sphinxext', 'oslo_config.sphinxext']
# The commands are ours, not another package's for a command of ours.
autoprogram_cliff_app_dist_name = 'nova-mdev-compat'
# What options begin with is no dash.
smartquotes_action = 'qe'
# Most blocks are commands, and what they print.
highlight_language = 'none'
html_theme = 'furo'
html_title = project

man_pages = [
    (
        'cli/nova-mdev-annotator',
        'nova-mdev-annotator',
        'write into domains what their mdevs come from',
        '',
        8,
    ),
    (
        'cli/nova-mdev-collector',
        'nova-mdev-collector',
        'publish what mdev-capable devices are and accept',
        '',
        8,
    ),
    (
        'cli/nova-mdev-compat-status',
        'nova-mdev-compat-status',
        'check that filter, Placement and collectors fit together',
        '',
        8,
    ),
    (
        'cli/nova-mdev-guard',
        'nova-mdev-guard',
        'ask before a domain with mdevs arrives by live migration',
        '',
        8,
    ),
    (
        'cli/nova-mdev-rules',
        'nova-mdev-rules',
        'check rules for live migration of mdevs, and what they mean',
        '',
        1,
    ),
    (
        'cli/openstack-mdev',
        'openstack-mdev',
        'where instances with mdevs may live-migrate, and why',
        '',
        1,
    ),
]
# A manual page is read where no link can be followed.
man_show_urls = True
