# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration."""

project = 'nova-mdev-compat'
copyright = 'nova-mdev-compat contributors'  # noqa: A001
root_doc = 'index'

extensions = ['oslo_config.sphinxext']
html_theme = 'furo'
html_title = project

man_pages = [
    ('cli/nova-mdev-collector', 'nova-mdev-collector',
     'publish what mdev-capable devices are and accept', '', 8),
]
# A manual page is read where no link can be followed.
man_show_urls = True
