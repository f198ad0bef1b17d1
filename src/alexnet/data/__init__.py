"""From files to batches: sources, the one place that opens pictures, split, store, augmentation, batches."""
