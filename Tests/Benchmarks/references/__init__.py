"""What the transfer engine is compared with. Each `*_peer.py` is a program of its own; `peers` starts them."""
