"""python -m alexnet: the same as the command, and what torchrun starts."""

from alexnet.commands.main import main

if __name__ == "__main__":
    main()
