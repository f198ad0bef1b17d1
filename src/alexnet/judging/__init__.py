"""From weights to a verdict: counts that are exact over batches and ranks, and what they say."""
