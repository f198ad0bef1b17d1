"""How fast this machine is: what takes turns, how long, and what it says about a recipe (docs/bench.md)."""
