"""How fast teachers and students answer, measured so that the numbers can be trusted."""
