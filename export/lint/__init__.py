"""Rules that hold a model repository's configurations against what they are served with."""
