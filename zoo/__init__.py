"""Models, data and training: from a dataset to a checkpoint artifact."""
