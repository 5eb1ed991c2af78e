# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration."""

project = 'nova-mdev-compat'
copyright = 'nova-mdev-compat contributors'  # noqa: A001
root_doc = 'index'

extensions = ['cliff.sphinxext', 'oslo_config.sphinxext', 'reno.sphinxext']
# The commands come from this distribution.
autoprogram_cliff_app_dist_name = 'nova-mdev-compat'
# Options begin with two hyphens, which must not become a dash.
smartquotes_action = 'qe'
# Most blocks are commands and their output.
highlight_language = 'none'
html_theme = 'furo'
html_title = project
html_static_path = ['_static']
html_css_files = ['literal.css']

man_pages = [
    (
        'cli/nova-mdev-annotator',
        'nova-mdev-annotator',
        'annotate domains with the identity of their mdevs',
        '',
        8,
    ),
    (
        'cli/nova-mdev-collector',
        'nova-mdev-collector',
        'publish what mdev parents are and accept',
        '',
        8,
    ),
    (
        'cli/nova-mdev-compat-status',
        'nova-mdev-compat-status',
        'check that filter, Placement and collectors work together',
        '',
        8,
    ),
    (
        'cli/nova-mdev-guard',
        'nova-mdev-guard',
        'check a domain with mdevs before it arrives',
        '',
        8,
    ),
    (
        'cli/nova-mdev-rules',
        'nova-mdev-rules',
        'check rules for live migration of mdevs, and explain them',
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
# Links cannot be followed in a manual page.
man_show_urls = True
