"""From batches to weights: recipes, the loop, and this process among its peers."""
