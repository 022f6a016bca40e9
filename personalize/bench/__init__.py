"""How fast, how large, how right is it?  `personalize bench NAME`, each with its reference in the same run."""
