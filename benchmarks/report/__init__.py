"""Results of ``leanzoo bench`` as one page for people: ``leanzoo report``."""
