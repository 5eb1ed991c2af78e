# SPDX-License-Identifier: Apache-2.0
"""Numbers and tables of the documentation."""


def machine(document):
    """Return what it was measured on."""
    measured = document['machine']
    versions = ', '.join(
        f'{name} {version}' for name, version in measured['versions'].items()
    )
    return (
        f'{measured["processors"]} processors ({measured["processor"]}), '
        f'{measured["memory_mib"] / 1024:.0f} GiB of memory, load '
        f'{measured["load_before"]:.1f} before; {versions}'
    )


def number(value):
    """Return a number with as many digits as say something."""
    if value is None:
        return 'none'
    return f'{value:,.0f}' if abs(value) >= 1000 else f'{value:.3g}'


def table(heads, rows):
    """Yield the lines of a table, in reStructuredText."""
    yield from ('.. list-table::', '   :header-rows: 1', '')
    for row in (heads, *rows):
        for index, cell in enumerate(row):
            yield f'   {"*" if not index else " "} - {cell}'.rstrip()
    yield ''
