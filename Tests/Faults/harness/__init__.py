"""What the fault tests share: a cluster of real processes, its local sockets, outcomes and figures."""
