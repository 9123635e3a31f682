"""What the measurements of the transfer engine share: processes, a cluster, networks of namespaces, the machine."""
