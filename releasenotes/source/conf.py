# SPDX-License-Identifier: Apache-2.0
"""Sphinx's configuration for the release notes."""

project = 'nova-mdev-compat release notes'
copyright = 'nova-mdev-compat contributors'  # noqa: A001
# Each note says which version it belongs to.
version = release = ''

extensions = ['reno.sphinxext']
html_theme = 'furo'
html_title = project
root_doc = 'index'
