"""What all measurements of transfers tell beside their figure."""

import statistics


def cost(transfers):
    """CPU seconds per GB on both sides, and the lanes that were read over."""
    return {
        "cpu_seconds_per_gb": {
            "target": statistics.median(each.target_cpu / each.bytes * 1e9 for each in transfers),
            "sources": statistics.median(each.source_cpu / each.bytes * 1e9 for each in transfers)},
        "seconds_with_set_up": statistics.median(each.all_seconds for each in transfers),
        "lanes": sorted({lane for each in transfers for lane in each.lanes}),
    }


def reference_cost(samples):
    """The same of references, by name."""
    return {
        name: {
            "target": statistics.median(each.target_cpu / each.bytes * 1e9 for each in taken),
            "source": statistics.median(each.source_cpu / each.bytes * 1e9 for each in taken)}
        for name, taken in samples.items()}


def rates(samples):
    return {name: [each.rate for each in taken] for name, taken in samples.items()}
