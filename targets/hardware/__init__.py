"""Hardware: the entries of the catalogue, and what the compiler and the predictions need to know of them."""
