# SPDX-License-Identifier: Apache-2.0
"""Draws what benchmarks have found."""

import matplotlib
from matplotlib import figure

#: Of Nova without the filter, of the filter, and of naive ways.
COLOURS = {
    'alone': '#7a7a7a',
    'ours': '#0b6e4f',
    'ours too': '#7fc8a9',
    'naive': '#b4472f',
}


def found(document, benchmark, case, unit):
    """Return measurements, as the document has them, by their sizes' order.

    :raises LookupError: there is none
    """
    (section,) = (
        one for one in document['benchmarks'] if one['name'] == benchmark
    )
    some = [
        one
        for one in section['measurements']
        if (one['case'], one['unit']) == (case, unit)
    ]
    if not some:
        raise LookupError(f'{benchmark} has not measured {case}, in {unit}')
    return sorted(some, key=lambda one: tuple(one['sizes'].values()))


def write(path, document):
    """Write a figure of what was found; the same bytes for the same data."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        # Text stays text, and ids are the same in each run.
        matplotlib.rcParams['svg.fonttype'] = 'none'
        matplotlib.rcParams['font.sans-serif'] = ['DejaVu Sans']
        matplotlib.rcParams['svg.hashsalt'] = 'nova-mdev-compat'
        _draw(document).savefig(path, metadata={'Date': None})


def _draw(document):
    paper = figure.Figure(figsize=(10, 7.6), layout='constrained')
    panels = paper.subplots(2, 2).flat
    for panel, one in zip(
        panels, (scheduling, savings, fleet, memory), strict=True
    ):
        one(panel, document)
        panel.spines[['top', 'right']].set_visible(False)
    return paper


def scheduling(panel, document):
    """Draw what the request takes without the filter, and what that adds."""
    _groups(
        panel,
        document,
        'scheduling',
        's',
        {
            'request without the filter': ('the request', 'alone'),
            'the filter itself, cold cache': ('+ the filter, cold', 'ours'),
            'the filter itself, warm cache': (
                '+ the filter, warm',
                'ours too',
            ),
            'the naive filter itself': ('+ a naive filter', 'naive'),
        },
    )
    panel.set(
        title='Scheduling a live migration',
        ylabel='seconds',
        yscale='log',
        xlabel='hosts (with candidates)',
    )
    panel.set_ylim(top=panel.get_ylim()[1] * 6)
    panel.legend(frameon=False, fontsize=8, ncols=2, loc='upper left')


def savings(panel, document):
    """Draw the checks that Nova makes until the instance has a host."""
    _groups(
        panel,
        document,
        'savings',
        'checks',
        {
            'types differ, Nova alone': ('Nova alone', 'alone'),
            'types differ, with the filter': ('with the filter', 'ours'),
        },
    )
    panel.set(
        title='Until an instance has its one compatible host',
        ylabel='hosts checked',
        xlabel='hosts',
    )
    panel.legend(frameon=False, fontsize=8, loc='upper left')


def fleet(panel, document):
    """Draw what a pass of a collector costs Placement."""
    cases = {
        'quiet pass of all': ('a quiet one', 'ours'),
        'naive: a pass that remembers nothing': (
            'remembering nothing',
            'naive',
        ),
        'first publication': ('the first', 'ours too'),
    }
    for case, (label, colour) in cases.items():
        (one,) = found(document, 'fleet', case, 'CPU ms of Placement a host')
        _bar(panel, label, one, 0.6, COLOURS[colour])
    panel.set(title="A collector's pass", ylabel="ms of Placement's CPU time")


def memory(panel, document):
    """Draw nova-scheduler's memory over the requests."""
    for case, colour, dashes in (
        ('without the filter', 'alone', '-'),
        ('with the filter', 'ours', '--'),
    ):
        (one,) = found(document, 'scheduler_process', case, 'MiB USS')
        step = one['sizes']['requests'] / len(one['values'])
        panel.plot(
            [step * number for number, _ in enumerate(one['values'], 1)],
            one['values'],
            dashes,
            label=case,
            color=COLOURS[colour],
        )
    panel.set(
        title='Memory of nova-scheduler',
        xlabel='live migrations',
        ylabel='MiB (USS)',
        ylim=(0, None),
    )
    panel.legend(frameon=False, fontsize=8, loc='lower right')


def _groups(panel, document, benchmark, unit, cases):
    """Draw a group of bars for each size.

    :param cases: pairs of a label and a colour's name, by case
    """
    names, width = [], 0.84 / len(cases)
    for number, (case, (label, colour)) in enumerate(cases.items()):
        for one in found(document, benchmark, case, unit):
            name = '\n'.join(
                f'{size:,}' if not row else f'({size:,})'
                for row, size in enumerate(one['sizes'].values())
            )
            if name not in names:
                names.append(name)
            place = names.index(name) + (number - (len(cases) - 1) / 2) * width
            bar = _bar(panel, place, one, width * 0.94, COLOURS[colour])
        bar.set_label(label)  # one of them is enough for the legend
    panel.set_xticks(range(len(names)), names)


def _bar(panel, place, one, width, colour):
    """Draw a median, and how far rounds were from it."""
    bar = panel.bar(
        place,
        one['median'],
        width,
        color=colour,
        yerr=[[one['median'] - one['min']], [one['max'] - one['median']]],
        error_kw={'elinewidth': 0.8, 'ecolor': '#5c5c5c'},
    )
    panel.annotate(
        f'{one["median"]:.3g}',
        (place, one['max']),
        (0, 2),
        textcoords='offset points',
        ha='center',
        fontsize=7,
    )
    return bar
