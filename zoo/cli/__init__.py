"""The command ``leanzoo``: verbs in pipeline order; each imports what it needs when called."""
