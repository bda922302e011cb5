"""One folder per family of models; the registry names them."""
