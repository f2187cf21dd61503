"""One algorithm a file, all on the contract in `base`; `catalog` lists them."""
