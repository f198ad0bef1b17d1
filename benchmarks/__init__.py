"""How fast this is beside others, measured on the machine at hand: `make bench`, docs/speed.md."""
