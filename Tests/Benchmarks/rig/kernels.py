"""What the program's own kernels do on this machine, told by `modelexpress bench`."""

from rig.processes import Failed, wait_until

LIMIT = 120


def kernel_rates(processes, program, folder, names=()):
    """GB/s by kernel, on one core and on all of them at once."""
    bench = processes.start("kernels", [program, "bench", *names, "--json"], None, f"{folder}/kernels.log")
    wait_until(lambda: not bench.is_alive, LIMIT, "the end of `modelexpress bench`")
    processes.end([bench])
    rates = {}
    for event in bench.events:
        line = event.content
        rates.setdefault(line["name"], {})[line["threads"]] = line["gigabytes_per_second"]
    if not rates:
        raise Failed(f"`modelexpress bench` gave no rates: {bench.last_words()}")
    return {
        name: {"one core": of_threads[min(of_threads)], "all cores": of_threads[max(of_threads)]}
        for name, of_threads in rates.items()}
