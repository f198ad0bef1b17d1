"""What an AlexNet is: its layers, the named variants, the network and its table."""
